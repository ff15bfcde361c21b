<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** One call from WHMCS: its parameters, its request id, its time, its log, and how it ends when it fails. */
final class Action
{
    /** Travels with every request of this call, so that one id finds the whole story here and in the Panel. */
    public readonly string $requestId;

    public readonly Params $params;
    public readonly Patience $patience;
    public readonly ModuleLog $log;
    private Secrets $secrets;

    private function __construct(string $name, #[\SensitiveParameter] array $params, float $budget)
    {
        $this->requestId = self::newRequestId();
        $this->params = new Params($params);
        $this->patience = new Patience($budget);
        $this->secrets = Secrets::fromParams($this->params);
        $this->log = new ModuleLog($name, $this->secrets);
    }

    /**
     * @template T
     *
     * @param callable(self): T $work
     * @param callable(string): T $failed what to return to WHMCS for a sentence
     *
     * @return T
     */
    public static function perform(
        string $name,
        #[\SensitiveParameter] array $params,
        float $budget,
        callable $work,
        callable $failed,
    ): mixed {
        $action = new self($name, $params, $budget);
        try {
            return $work($action);
        } catch (Refusal $refusal) {
            $sentence = $action->sentence($refusal->getMessage());
            $action->log->note($sentence);
        } catch (\Throwable $defect) {
            $sentence = $action->sentence(
                'The Opterius module failed inside (' . $defect::class . '). Trying again does no harm; if it fails '
                . 'again, report the entry of the Module Log with this request id.'
            );
            $action->log->note(sprintf(
                "%s\n%s in %s line %d",
                $sentence,
                $defect->getMessage(),
                basename($defect->getFile()),
                $defect->getLine(),
            ));
        }
        return $failed($sentence);
    }

    /** Keeps secrets that became known after the call began out of its log and its sentences. */
    public function hide(#[\SensitiveParameter] string ...$values): void
    {
        $this->secrets = $this->secrets->with(...$values);
        $this->log->hide(...$values);
    }

    /**
     * @param string $accessHash the one of the server form, if nothing is said
     *
     * @throws Refusal if the server form in WHMCS is not complete
     */
    public function panel(#[\SensitiveParameter] string $accessHash = ''): Panel
    {
        return new Panel(
            Address::fromParams($this->params),
            AccessHash::parse($accessHash !== '' ? $accessHash : $this->params->text('serveraccesshash')),
            $this->requestId,
            $this->log,
            $this->patience,
        );
    }

    /** One line without secrets and without anything that a browser would take for a tag. */
    private function sentence(string $text): string
    {
        $line = trim((string) preg_replace('/[\x00-\x20\x7f]+/', ' ', $this->secrets->hide($text)));
        return strtr($line, ['<' => '‹', '>' => '›']) . ' (request ' . $this->requestId . ')';
    }

    /** A UUID of version 7 (RFC 9562), which sorts by time as the Panel's own ids do. */
    private static function newRequestId(): string
    {
        $random = random_bytes(10);
        $random[0] = chr(ord($random[0]) & 0x0f | 0x70);
        $random[2] = chr(ord($random[2]) & 0x3f | 0x80);
        $hex = sprintf('%012x', (int) (microtime(true) * 1000)) . bin2hex($random);
        return vsprintf('%s%s-%s-%s-%s-%s%s%s', str_split($hex, 4));
    }
}
