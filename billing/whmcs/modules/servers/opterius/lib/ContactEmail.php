<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * Tells the Panel when a client has another e-mail address. It is kept there so that the host's staff can reach the
 * client, and for nothing else: no account is ever found by it.
 */
final class ContactEmail
{
    /** Seconds for one server. Somebody waits for the form that they have saved. */
    private const BUDGET = 5.0;

    /** @param array<string, mixed> $vars as WHMCS hands them to the hook ClientEdit */
    public static function changed(array $vars): void
    {
        $client = (int) ($vars['userid'] ?? 0);
        $email = is_string($vars['email'] ?? null) ? Entities::decode(trim($vars['email'])) : '';
        $former = $vars['olddata']['email'] ?? null;
        if ($client <= 0 || $email === '' || (is_string($former) && Entities::decode(trim($former)) === $email)) {
            return;
        }
        try {
            $servers = self::accounts($client);
        } catch (\Throwable $failure) {
            (new ModuleLog('ClientEdit', new Secrets()))->note(
                "The accounts of client $client could not be looked up: " . $failure->getMessage()
            );
            return;
        }
        foreach ($servers as $server => $refs) {
            Action::perform(
                'ClientEdit',
                Servers::params($server),
                self::BUDGET,
                static fn (Action $action) => self::tell($action, $refs, $email),
                static fn () => null,
            );
        }
    }

    /** @return array<int, list<Ref>> by server */
    private static function accounts(int $client): array
    {
        $servers = [];
        foreach (Records::ofClient($client) as $record) {
            if ($record->isAlive() && $record->server > 0) {
                $servers[$record->server][] = $record->ref;
            }
        }
        return $servers;
    }

    /** @param list<Ref> $refs */
    private static function tell(Action $action, array $refs, string $email): void
    {
        $panel = $action->panel();
        foreach ($refs as $ref) {
            $reply = $panel->patch('/api/accounts/ref:' . $ref, ['email' => $email], $action->patience->left());
            $code = $reply->problem()['code'] ?? '';
            // A service whose account is not there has no contact to keep; the report names it.
            if ($reply->data() === null && !in_array($code, ['not_found', 'account_gone'], true)) {
                throw new Refusal(
                    "The Panel still has the client's former e-mail address for $ref. "
                    . Explanation::of($reply, $panel->address)
                );
            }
        }
    }
}
