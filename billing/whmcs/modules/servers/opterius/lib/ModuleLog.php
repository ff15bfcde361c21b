<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** The Module Log of WHMCS. Nothing reaches it before the secrets are out, and WHMCS is told to look for them again. */
final class ModuleLog
{
    /** Bytes of a request or an answer: the columns that WHMCS keeps them in end at 64 KiB, and whole lists are longer. */
    private const LONGEST = 30_000;

    public function __construct(private readonly string $action, private Secrets $secrets)
    {
    }

    /** Adds secrets that became known after the call began. */
    public function hide(#[\SensitiveParameter] string ...$values): void
    {
        $this->secrets = $values === [] ? $this->secrets : $this->secrets->with(...$values);
    }

    /** One request to the Panel and what came back. */
    public function exchange(string $request, string $response, string $summary): void
    {
        // A log that cannot be written must not turn a created account into a failed order.
        try {
            if (function_exists('logModuleCall')) {
                logModuleCall(
                    'opterius',
                    $this->action,
                    $this->shown($request),
                    $this->shown($response),
                    $this->secrets->hide($summary),
                    $this->secrets->forms(),
                );
            }
        } catch (\Throwable) {
        }
    }

    /** Cut only once the secrets are out: half of one would be found by nobody. */
    private function shown(string $text): string
    {
        $text = $this->secrets->hide($text);
        $more = strlen($text) - self::LONGEST;
        return $more <= 0 ? $text : mb_strcut($text, 0, self::LONGEST, 'UTF-8') . "\n[about $more bytes more]";
    }

    /** Something to know about this action that is not an exchange with the Panel. */
    public function note(string $text): void
    {
        $this->exchange('', '', $text);
    }
}
