<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

use WHMCS\Database\Capsule;
use WHMCS\Service\Service;

/**
 * The property by which Sync Accounts and usage billing know the account of a service. A create whose last step failed
 * leaves a service without it, and Sync Accounts would offer to mark that service as terminated. So it is put right
 * whenever the accounts are listed: whose account it is, the reference says beyond doubt.
 */
final class AccountIds
{
    public function __construct(private readonly Action $action)
    {
    }

    /** @param array<string, string> $accounts account ids by reference */
    public function complete(array $accounts): void
    {
        try {
            $services = Capsule::table('tblhosting')
                ->where('server', $this->action->params->number('serverid'))
                ->whereIn('domainstatus', ['Active', 'Suspended'])
                ->pluck('id')
                ->all();
            $known = $this->known();
            foreach ($services as $service) {
                $id = $accounts[(string) Ref::service((int) $service)] ?? null;
                if ($id !== null && ($known[(int) $service] ?? '') !== $id) {
                    Service::find($service)?->serviceProperties->save([ServiceRecord::ACCOUNT_ID => $id]);
                }
            }
        } catch (\Throwable $failure) {
            $this->action->log->note(
                'The property ' . ServiceRecord::ACCOUNT_ID . ' could not be put right: ' . $failure->getMessage()
            );
        }
    }

    /** @return array<int, string> by service id */
    private function known(): array
    {
        $known = [];
        $rows = Capsule::table('tblcustomfieldsvalues')
            ->join('tblcustomfields', 'tblcustomfields.id', '=', 'tblcustomfieldsvalues.fieldid')
            ->where('tblcustomfields.type', 'product')
            ->where('tblcustomfields.fieldname', ServiceRecord::ACCOUNT_ID)
            ->get(['tblcustomfieldsvalues.relid', 'tblcustomfieldsvalues.value']);
        foreach ($rows as $row) {
            $known[(int) $row->relid] = (string) $row->value;
        }
        return $known;
    }
}
