<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use WHMCS\Database\Capsule;

/** The API of WHMCS for code that runs inside of it: the commands that modules and their hooks have use for. */
final class LocalApi
{
    public function __construct(private readonly Whmcs $whmcs)
    {
    }

    /** @return array{result: string, message?: string} */
    public function call(string $command, array $values): array
    {
        return match (strtolower($command)) {
            'modulecreate' => $this->said($this->service($values)->create()),
            'modulesuspend' => $this->said(
                $this->service($values)->suspend((string) ($values['suspendreason'] ?? ''))
            ),
            'moduleunsuspend' => $this->said($this->service($values)->unsuspend()),
            'moduleterminate' => $this->said($this->service($values)->terminate()),
            'modulechangepackage' => $this->said($this->service($values)->changePackage()),
            'modulechangepw' => $this->said($this->service($values)->changePassword(
                (string) ($values['servicepassword'] ?? $this->service($values)->properties->get('Password'))
            )),
            'modulecustom' => $this->said($this->service($values)->adminButton((string) array_search(
                $values['func_name'],
                opterius_AdminCustomButtonArray($this->service($values)->params()),
                true,
            ))),
            'getmodulequeue' => $this->queue($values),
            'getclientsproducts' => $this->products($values),
            'updateclientproduct' => $this->update($values),
            'getclientsdetails' => $this->client((int) ($values['clientid'] ?? 0)),
            'encryptpassword' => ['result' => 'success', 'password' => encrypt((string) $values['password2'])],
            'decryptpassword' => ['result' => 'success', 'password' => decrypt((string) $values['password2'])],
            'logactivity' => $this->log($values),
            default => ['result' => 'error', 'message' => 'Command Not Found'],
        };
    }

    private function service(array $values): Service
    {
        return new Service($this->whmcs, (int) ($values['serviceid'] ?? $values['accountid'] ?? 0));
    }

    private function said(string|array $result): array
    {
        return $result === 'success' ? ['result' => 'success'] : ['result' => 'error', 'message' => $result];
    }

    private function queue(array $values): array
    {
        $rows = Capsule::table('tblmodulequeue')->where('completed', 0);
        $columns = ['serviceType' => 'service_type', 'moduleName' => 'module_name', 'moduleAction' => 'module_action'];
        foreach ($columns as $name => $column) {
            if (($values[$name] ?? '') !== '') {
                $rows->where($column, $values[$name]);
            }
        }
        if (($values['relatedId'] ?? '') !== '') {
            $rows->where('service_id', $values['relatedId']);
        }
        if (($values['since'] ?? '') !== '') {
            $rows->where('last_attempt', '>=', $values['since']);
        }
        $queue = $rows->orderBy('id')->get()->map(static fn (object $row): array => [
            'id' => $row->id, 'serviceType' => $row->service_type, 'serviceId' => $row->service_id,
            'moduleName' => $row->module_name, 'moduleAction' => $row->module_action,
            'lastAttempt' => $row->last_attempt, 'lastAttemptError' => $row->last_attempt_error,
            'numRetries' => $row->num_retries, 'completed' => $row->completed,
            'createdAt' => $row->created_at, 'updatedAt' => $row->updated_at,
        ]);
        return ['result' => 'success', 'count' => $queue->count(), 'queue' => $queue];
    }

    private function products(array $values): array
    {
        $rows = Capsule::table('tblhosting');
        $columns = ['clientid' => 'userid', 'serviceid' => 'id', 'pid' => 'packageid', 'domain' => 'domain'];
        foreach ($columns as $name => $column) {
            if (isset($values[$name])) {
                $rows->where($column, $values[$name]);
            }
        }
        $total = (clone $rows)->count();
        $start = (int) ($values['limitstart'] ?? 0);
        $found = $rows->orderBy('id')->skip($start)->take((int) ($values['limitnum'] ?? 25))->get();
        $products = $found->map(fn (object $row): array => [
            'id' => $row->id, 'clientid' => $row->userid, 'pid' => $row->packageid, 'domain' => $row->domain,
            'serverid' => $row->server, 'status' => $row->domainstatus, 'username' => $row->username,
            'nextduedate' => $row->nextduedate, 'suspensionreason' => $row->suspendreason,
        ])->all();
        return [
            'result' => 'success', 'totalresults' => $total, 'startnumber' => $start, 'numreturned' => count($products),
            'products' => ['product' => $products],
        ];
    }

    private function update(array $values): array
    {
        $service = $this->service($values);
        if ($service->row() === []) {
            return ['result' => 'error', 'message' => 'Service ID Not Found'];
        }
        $columns = [
            'pid' => 'packageid', 'serverid' => 'server', 'nextduedate' => 'nextduedate', 'domain' => 'domain',
            'status' => 'domainstatus', 'serviceusername' => 'username', 'servicepassword' => 'password',
            'dedicatedip' => 'dedicatedip', 'suspendreason' => 'suspendreason', 'notes' => 'notes',
            'overideautosuspend' => 'overideautosuspend', 'overidesuspenduntil' => 'overidesuspenduntil',
        ];
        $changes = [];
        foreach (array_intersect_key($columns, $values) as $name => $column) {
            $changes[$column] = $values[$name];
        }
        $service->edit($changes);
        return ['result' => 'success', 'serviceid' => $service->id];
    }

    private function client(int $id): array
    {
        $details = $this->whmcs->parameters->client($id);
        return $details === []
            ? ['result' => 'error', 'message' => 'Client Not Found']
            : ['result' => 'success', 'client' => $details] + $details;
    }

    private function log(array $values): array
    {
        logActivity((string) $values['description'], (int) ($values['clientid'] ?? 0));
        return ['result' => 'success'];
    }
}
