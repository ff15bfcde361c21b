<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Opterius;

use WHMCS\Module\Server\Opterius\Action;
use WHMCS\Module\Server\Opterius\Listing;
use WHMCS\Module\Server\Opterius\Record;
use WHMCS\Module\Server\Opterius\Records;
use WHMCS\Module\Server\Opterius\Servers;

/** Everything that WHMCS has sold, held beside everything that the Panels have. */
final class Report
{
    /**
     * @param list<Difference> $differences
     * @param array<string, string> $silent why nothing is said of a server's services, by the server's name
     */
    private function __construct(
        public readonly array $differences,
        public readonly array $silent,
        public readonly int $records,
        public readonly int $accounts,
    ) {
    }

    /** @param float $budget seconds for one server */
    public static function make(float $budget): self
    {
        $lists = [];
        $silent = [];
        $sentences = [];
        foreach (Servers::names() as $server => $name) {
            $list = self::accounts($server, $budget);
            if (is_array($list)) {
                $lists[$server] = $list;
            } else {
                $silent[] = $server;
                $sentences["$name (server $server)"] = $list;
            }
        }
        $records = Records::all();
        return new self(
            self::sorted((new Comparison($lists, $silent))->of($records)),
            $sentences,
            count($records),
            array_sum(array_map('count', $lists)),
        );
    }

    /**
     * The same for one service, of which the Panel is asked anew.
     *
     * @return list<Difference>|string or why nothing can be said
     */
    public static function of(Record $record, float $budget): array|string
    {
        return Action::perform(
            'Report',
            Servers::params($record->server),
            $budget,
            static function (Action $action) use ($record): array {
                $accounts = (new Listing($action->panel(), $action->patience))->account($record->ref);
                $accounts = array_map(Account::of(...), $accounts);
                return (new Comparison([$record->server => $accounts]))->of([$record]);
            },
            static fn (string $sentence): string => $sentence,
        );
    }

    /** @return list<Difference> */
    public function ofKind(Kind $kind): array
    {
        return array_values(array_filter(
            $this->differences,
            static fn (Difference $difference): bool => $difference->kind === $kind,
        ));
    }

    /** @return list<Account>|string or why the Panel has not said */
    private static function accounts(int $server, float $budget): array|string
    {
        return Action::perform(
            'Report',
            Servers::params($server),
            $budget,
            static fn (Action $action): array => (new Listing($action->panel(), $action->patience))
                ->accounts(Account::of(...)),
            static fn (string $sentence): string => $sentence,
        );
    }

    /**
     * @param list<Difference> $differences
     *
     * @return list<Difference>
     */
    private static function sorted(array $differences): array
    {
        $sorted = [];
        foreach (Kind::cases() as $kind) {
            foreach ($differences as $difference) {
                if ($difference->kind === $kind) {
                    $sorted[] = $difference;
                }
            }
        }
        return $sorted;
    }
}
