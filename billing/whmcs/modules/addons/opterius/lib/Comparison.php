<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Opterius;

use WHMCS\Module\Server\Opterius\Domain;
use WHMCS\Module\Server\Opterius\Record;
use WHMCS\Module\Server\Opterius\Ref;

/**
 * Compares what WHMCS has sold with what the Panels have. Nothing is asked and nothing is changed here. The two are
 * matched by the reference that the module gave at the order, never by names or e-mail addresses.
 */
final class Comparison
{
    private const MISSING = 'Active, but there is no account. Create makes a new one. If the service shows that the '
        . 'former one was removed, Restore there brings that back.';

    private const ENDED = ['Terminated', 'Cancelled', 'Fraud'];

    /** @var array<int, array<string, Account>> by server and reference */
    private readonly array $accounts;

    /**
     * @param array<int, list<Account>> $servers the accounts of every server whose Panel has answered
     * @param list<int> $silent the servers whose Panel has not: nothing is said of their services
     */
    public function __construct(array $servers, private readonly array $silent = [])
    {
        $accounts = [];
        foreach ($servers as $server => $list) {
            $accounts[$server] = [];
            foreach ($list as $account) {
                $accounts[$server][$account->ref] = $account;
            }
        }
        $this->accounts = $accounts;
    }

    /**
     * @param list<Record> $records
     *
     * @return list<Difference>
     */
    public function of(array $records): array
    {
        // Two servers of WHMCS may be the same Panel, and then both list an account that is where it should be.
        $seen = [];
        foreach ($records as $record) {
            $account = $this->account($record);
            if ($account !== null) {
                $seen[$account->id] = true;
            }
        }
        $differences = [];
        $known = [];
        foreach ($records as $record) {
            $known[(string) $record->ref] = $record;
            foreach ($this->ofRecord($record, $seen) as $difference) {
                $differences[] = $difference;
                if ($difference->account !== null) {
                    $seen[$difference->account->id] = true;
                }
            }
        }
        foreach ($this->accounts as $accounts) {
            foreach ($accounts as $account) {
                if (!isset($seen[$account->id])) {
                    $seen[$account->id] = true;
                    $differences[] = self::stray($account, $known[$account->ref] ?? null);
                }
            }
        }
        return $differences;
    }

    /**
     * @param array<string, true> $seen ids of the accounts that are where their service says
     *
     * @return list<Difference>
     */
    private function ofRecord(Record $record, array $seen): array
    {
        if (in_array($record->server, $this->silent, true)) {
            return [];
        }
        $account = $this->account($record);
        if ($account !== null) {
            return self::present($record, $account);
        }
        $elsewhere = $this->elsewhere($record, $seen);
        if ($elsewhere !== null) {
            return [new Difference(
                Kind::WrongState,
                'The account is on another server than the one that the service is assigned to. Assign the service to '
                . 'that server, or terminate the account there.',
                $record,
                $elsewhere,
                null,
            )];
        }
        return self::absent($record, isset($this->accounts[$record->server]));
    }

    /** @return list<Difference> */
    private static function absent(Record $record, bool $hasServer): array
    {
        $difference = static fn (string $text, ?Mend $mend): array => [
            new Difference(Kind::Missing, $text, $record, null, $mend),
        ];
        return match (true) {
            $record->status === 'Active' && !$hasServer => $difference(
                'Active, but there is no account, and no Opterius server is assigned to the service.',
                null,
            ),
            $record->status === 'Active' => $difference(self::MISSING, Mend::Create),
            $record->status === 'Suspended' => $difference(
                'Suspended, but there is no account that could be unsuspended. Terminate the service, or create the '
                . 'account anew once it is paid.',
                null,
            ),
            default => [],
        };
    }

    private static function left(Record $record, Account $account): Difference
    {
        return new Difference(
            Kind::Left,
            "{$record->status}, but the account is still there ({$account->status}).",
            $record,
            $account,
            Mend::Terminate,
        );
    }

    /** An account that no service is about, or whose service is about another one by now. */
    private static function stray(Account $account, ?Record $record): Difference
    {
        $why = $record === null
            ? 'WHMCS has no service of the number that it was ordered under'
            : 'the service is on another server by now';
        return new Difference(
            Kind::Left,
            "The account is there ({$account->status}), but $why. Terminate it on its server: "
            . "opterius account terminate {$account->username}",
            $record,
            $account,
            null,
        );
    }

    /** @return list<Difference> */
    private static function present(Record $record, Account $account): array
    {
        $differences = [];
        $add = static function (Kind $kind, string $text, ?Mend $mend) use (&$differences, $record, $account): void {
            $differences[] = new Difference($kind, $text, $record, $account, $mend);
        };
        $ended = in_array($record->status, self::ENDED, true);
        if ($account->needsAttention) {
            $add(
                Kind::WrongState,
                'A change of the account could neither be finished nor undone. The service shows it under Last '
                . 'Operation; Retry Operation tries it again.',
                null,
            );
            return $differences;
        }
        if ($account->running !== '' && (!$ended || $account->running === 'terminate')) {
            // What is being changed is not to be compared: it may be right in a moment.
            return [];
        }
        if ($ended) {
            return [self::left($record, $account)];
        }
        if ($record->status === 'Pending') {
            $add(
                Kind::WrongState,
                "Pending, but the account is there ({$account->status}). Create takes it up.",
                $account->status === 'active' ? Mend::Create : null,
            );
            return $differences;
        }
        $billing = in_array('billing', $account->holds, true);
        if ($record->status === 'Active' && $billing) {
            $add(Kind::WrongState, 'Active, but the account is suspended for billing.', Mend::Unsuspend);
        }
        if ($record->status === 'Suspended' && !$billing) {
            $add(
                Kind::WrongState,
                $account->holds === []
                    ? "Suspended, but the account is {$account->status}."
                    : 'Suspended, but only the host holds the account: it would be active once that is lifted.',
                Mend::Suspend,
            );
        }
        if ($record->isAlive() && $record->package !== '' && !$account->has($record->package)) {
            $add(
                Kind::WrongPackage,
                "The account has the package {$account->packageName}, which is not the product's.",
                Mend::ChangePackage,
            );
        }
        if ($record->isAlive()) {
            foreach (self::otherNames($record, $account) as $text) {
                $add(Kind::WrongName, $text, null);
            }
        }
        if ($record->isAlive() && $account->drifted) {
            $add(
                Kind::Drift,
                'The server is not as the Panel wants it. The service shows what, under Drift.',
                Mend::Reconcile,
            );
        }
        return $differences;
    }

    /** @return list<string> */
    private static function otherNames(Record $record, Account $account): array
    {
        $texts = [];
        $domain = Domain::ascii(Domain::clean($record->domain));
        $names = [
            // Without PHP's intl extension an international name stays as it was sold, and nothing can be said of it.
            'Domain' => [preg_match('/[^\x00-\x7f]/', $domain) === 1 ? $account->domain : $domain, $account->domain],
            'Username' => [strtolower($record->username), $account->username],
        ];
        foreach ($names as $field => [$here, $there]) {
            // An add-on need not have a field for either.
            if ($here !== $there && ($here !== '' || $record->ref->kind === Ref::SERVICE)) {
                $texts[] = "The $field of the account is $there. An account keeps its names, so enter that in WHMCS.";
            }
        }
        return $texts;
    }

    private function account(Record $record): ?Account
    {
        return $this->accounts[$record->server][(string) $record->ref] ?? null;
    }

    /** @param array<string, true> $seen */
    private function elsewhere(Record $record, array $seen): ?Account
    {
        foreach ($this->accounts as $accounts) {
            $account = $accounts[(string) $record->ref] ?? null;
            if ($account !== null && !isset($seen[$account->id])) {
                return $account;
            }
        }
        return null;
    }
}
