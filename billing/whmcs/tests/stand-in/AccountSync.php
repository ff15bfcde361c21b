<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use WHMCS\Database\Capsule;
use WHMCS\Service\Status;

/**
 * "Sync Accounts": what the module lists, beside the services that WHMCS has on that server. What is missing in the
 * list can be marked as terminated in one click, so an incomplete list that counts as success costs a customer.
 */
final class AccountSync
{
    private const KEYS = [
        'email', 'username', 'domain', 'uniqueIdentifier', 'product', 'primaryip', 'created', 'status',
    ];

    /** Why there is nothing to compare. */
    public ?string $error = null;

    /** @var array<int, array> service id to the account that it is */
    public array $matched = [];

    /** @var list<Service> services that are in no account */
    public array $missing = [];

    /** @var list<array> accounts that are of no service */
    public array $unknown = [];

    private function __construct(private readonly Whmcs $whmcs, private readonly int $server)
    {
    }

    public static function compare(Whmcs $whmcs, int $server): self
    {
        $sync = new self($whmcs, $server);
        $params = $whmcs->parameters->ofServer($server);
        $whmcs->moduleLog->watch($params);
        $answer = opterius_ListAccounts($params);
        $whmcs->moduleLog->lookForSecrets((string) json_encode($answer), 'the list of accounts');
        if (!is_array($answer) || ($answer['success'] ?? null) !== true) {
            $sync->error = $answer['error'] ?? throw new \UnexpectedValueException('A list that fails must say why.');
            return $sync;
        }
        $listed = [];
        foreach ($answer['accounts'] as $account) {
            self::check($account);
            if (isset($listed[$account['uniqueIdentifier']])) {
                throw new \UnexpectedValueException("{$account['uniqueIdentifier']} is listed twice.");
            }
            $listed[$account['uniqueIdentifier']] = $account;
        }
        $rows = Capsule::table('tblhosting')->where('server', $server)
            ->whereIn('domainstatus', ['Active', 'Suspended'])->orderBy('id')->get();
        foreach ($rows as $row) {
            $identifier = self::identifierOf($whmcs->parameters->ofService((int) $row->id));
            if (isset($listed[$identifier])) {
                $sync->matched[(int) $row->id] = $listed[$identifier];
                unset($listed[$identifier]);
            } else {
                $sync->missing[] = new Service($whmcs, (int) $row->id);
            }
        }
        $sync->unknown = array_values($listed);
        return $sync;
    }

    /** What tells this service's account from others, in the field that the module's MetaData names. */
    public static function identifierOf(array $params): string
    {
        $field = opterius_MetaData()['ListAccountsUniqueIdentifierField'];
        return str_starts_with($field, 'customfield.')
            ? (string) ($params['customfields'][substr($field, strlen('customfield.'))] ?? '')
            : (string) $params[$field];
    }

    /** Staff press the one button. */
    public function markMissingAsTerminated(): void
    {
        foreach ($this->missing as $service) {
            $service->edit(['domainstatus' => 'Terminated']);
        }
    }

    /**
     * Staff import an account that no service is for: the product is found by the field that the MetaData names.
     *
     * @param array $account one of `unknown`
     */
    public function import(array $account, int $client): Service
    {
        $field = opterius_MetaData()['ListAccountsProductField'];
        $product = Capsule::table('tblproducts')->where([$field => $account['product']])->value('id');
        return $this->whmcs->service([
            'userid' => $client, 'server' => $this->server, 'domain' => $account['domain'],
            'packageid' => $product ?? throw new \OutOfBoundsException("No product has {$account['product']}."),
            'username' => $account['username'], 'domainstatus' => $account['status'],
            'regdate' => substr($account['created'], 0, 10),
        ]);
    }

    private static function check(mixed $account): void
    {
        $wrong = array_filter(
            self::KEYS,
            static fn (string $key): bool => !is_string($account[$key] ?? null),
        );
        $created = \DateTimeImmutable::createFromFormat('Y-m-d H:i:s', $account['created'] ?? '');
        if ($wrong === [] && ($created === false || $created->format('Y-m-d H:i:s') !== $account['created'])) {
            $wrong[] = 'created';
        }
        if (!in_array($account['status'] ?? null, [Status::ACTIVE, Status::SUSPENDED], true)) {
            $wrong[] = 'status';
        }
        if (($account['uniqueIdentifier'] ?? '') === '') {
            $wrong[] = 'uniqueIdentifier';
        }
        if ($wrong !== []) {
            $wrong = implode(', ', array_unique($wrong));
            throw new \UnexpectedValueException("An account is listed with a wrong $wrong.");
        }
    }
}
