<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * Signs in to the Panel without a password. The address that does it works once and for a minute, so it is asked for
 * only when somebody has clicked, and is handed to nobody but their browser.
 */
final class SignIn
{
    /** The pages of an account that a link may ask for; the first one is for every link that asks for none of them. */
    public const TARGETS = ['overview', 'usage', 'addresses', 'operations'];

    public function __construct(private readonly Action $action)
    {
    }

    /**
     * The address of the customer's own page. Whoever clicked may be the customer, so why it does not work is for the
     * Module Log, and the sentence has nothing of it.
     *
     * @throws Refusal with a sentence for the customer
     */
    public function asCustomer(string $target): string
    {
        try {
            return $this->customersPage($target);
        } catch (Refusal $refusal) {
            $cause = $refusal->getMessage();
            $sentence = match ($refusal->reason) {
                'account_gone' => 'error.gone',
                'not_found' => 'error.none',
                default => 'error.sign_in',
            };
        } catch (\Throwable $defect) {
            $cause = $defect::class . ': ' . $defect->getMessage();
            $sentence = 'error.sign_in';
        }
        $this->action->log->note($cause);
        throw new Refusal(Language::of($this->action->params)->say($sentence));
    }

    /** @throws Refusal with a sentence for the staff */
    public function asStaff(): string
    {
        $panel = $this->action->panel();
        return $this->address($panel->post('/api/self/sign-in', [], $this->action->patience->left()), $panel);
    }

    /** @throws Refusal with a sentence for the staff */
    private function customersPage(string $target): string
    {
        $ref = Ref::of($this->action->params) ?? throw new Refusal('WHMCS did not say which service this is.');
        $panel = $this->action->panel();
        $reply = $panel->post(
            '/api/accounts/ref:' . $ref . '/sign-in',
            ['target' => in_array($target, self::TARGETS, true) ? $target : self::TARGETS[0]],
            $this->action->patience->left(),
        );
        return $this->address($reply, $panel);
    }

    private function address(Reply $reply, Panel $panel): string
    {
        $data = $reply->data();
        if ($data === null) {
            throw new Refusal(
                Explanation::of($reply, $panel->address),
                (string) ($reply->problem()['code'] ?? ''),
            );
        }
        $url = $data['url'] ?? null;
        if (!is_string($url) || !$this->isThePanels($url, $panel->address)) {
            throw new Refusal(
                "{$panel->address} answered a sign-in with an address that is not its own. Nobody was sent there."
            );
        }
        return $url;
    }

    /** The browser goes wherever this says, so it has to be the machine whose key or certificate was just verified. */
    private function isThePanels(string $url, Address $address): bool
    {
        // A browser reads a backslash as a slash, and PHP does not.
        if (preg_match('~^https://[^\\\\\s\x00-\x20\x7f-\xff]+$~D', $url) !== 1) {
            return false;
        }
        $parts = parse_url($url);
        if (!is_array($parts) || isset($parts['user']) || isset($parts['pass'])) {
            return false;
        }
        $names = [$address->host];
        foreach (['serverhostname', 'serverip'] as $field) {
            $name = trim($this->action->params->text($field));
            array_push($names, $name, '[' . $name . ']');
        }
        $plain = static fn (string $name): string => rtrim(strtolower($name), '.');
        $host = $plain($parts['host'] ?? '');
        return $host !== '' && in_array($host, array_map($plain, $names), true);
    }
}
