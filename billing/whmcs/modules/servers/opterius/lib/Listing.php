<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * A whole list of the Panel's, page by page. A list of which a part is missing is worse than none: WHMCS offers to mark
 * every service that is not in it as terminated. So it is whole, and shown to be, or it is an error.
 */
final class Listing
{
    /** A Panel that never ends its list must not keep us busy. */
    private const MOST_PAGES = 1000;

    /** How often to begin again when accounts come and go while the list is read. */
    private const MOST_READINGS = 4;

    public function __construct(private readonly Panel $panel, private readonly Patience $patience)
    {
    }

    /**
     * Every live account, as it was at one moment: all pages are of the same snapshot, and hold as many different
     * accounts as the Panel counts.
     *
     * @template T
     *
     * @param callable(array): T $keep what to keep of an account: there may be tens of thousands
     *
     * @return list<T>
     *
     * @throws Refusal
     */
    public function accounts(callable $keep): array
    {
        return $this->whole('/api/accounts', ['limit' => 500], ['total', 'snapshot'], $keep);
    }

    /**
     * The live account that bears a reference, if there is one.
     *
     * @return list<array>
     *
     * @throws Refusal
     */
    public function account(Ref $ref): array
    {
        $query = ['external_ref' => (string) $ref, 'limit' => 2];
        return array_values(array_filter(
            $this->whole('/api/accounts', $query, ['total', 'snapshot'], static fn (array $account): array => $account),
            static fn (array $account): bool => ($account['external_ref'] ?? null) === (string) $ref,
        ));
    }

    /**
     * What every live account uses, as the Panel last measured it. The pages are of different moments, which does not
     * matter here; that none is missing does.
     *
     * @return list<array>
     *
     * @throws Refusal
     */
    public function usage(): array
    {
        return $this->whole('/api/usage', ['limit' => 10_000], ['total'], static fn (array $usage): array => $usage);
    }

    /**
     * @param array<string, string|int> $query
     * @param list<string> $signs by what pages are known to be of one list
     *
     * @return list<mixed>
     */
    private function whole(string $path, array $query, array $signs, callable $keep): array
    {
        for ($reading = 1; $reading <= self::MOST_READINGS; $reading++) {
            $rows = $this->read($path, $query, $signs, $keep);
            if ($rows !== null) {
                return $rows;
            }
        }
        throw new Refusal(
            'The accounts changed while they were read, so the list could not be shown to be complete. Try again in a '
            . 'minute.'
        );
    }

    /** @return list<mixed>|null null if it is not whole */
    private function read(string $path, array $query, array $signs, callable $keep): ?array
    {
        $rows = [];
        $first = null;
        for ($page = 0; $page < self::MOST_PAGES; $page++) {
            $reply = $this->panel->get($path, $query, $this->patience->left());
            $data = $reply->data();
            if ($data === null) {
                throw new Refusal(Explanation::of($reply, $this->panel->address));
            }
            foreach ($data as $row) {
                $id = is_array($row) ? $row['id'] ?? $row['account_id'] ?? null : null;
                if (!is_string($id)) {
                    throw new Refusal("{$this->panel->address} sent a list that is not an Opterius Panel's.");
                }
                $rows[$id] = $keep($row);
            }
            $sign = array_intersect_key($reply->page(), array_flip($signs));
            if (in_array(null, $sign, true)) {
                throw new Refusal("{$this->panel->address} does not say how long its list is. Update the Panel.");
            }
            $first ??= $sign;
            if ($sign !== $first) {
                return null;
            }
            $next = $reply->nextPage();
            if ($next === null) {
                return count($rows) === $first['total'] ? array_values($rows) : null;
            }
            $query['cursor'] = $next;
        }
        throw new Refusal("The list of {$this->panel->address} does not end.");
    }
}
