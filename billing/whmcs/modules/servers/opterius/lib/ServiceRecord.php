<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** The service or add-on as WHMCS keeps it. What is read may be missing; what is written must never fail an action. */
final class ServiceRecord
{
    public const ACCOUNT_ID = 'Opterius Account ID';

    public function __construct(private readonly Action $action, private readonly Ref $ref)
    {
    }

    /** A service property; empty if there is none. */
    public function property(string $name): string
    {
        try {
            $value = $this->action->params->model()?->serviceProperties->get($name);
        } catch (\Throwable) {
            $value = null;
        }
        return is_scalar($value) ? (string) $value : '';
    }

    /** @param array<string, string> $properties */
    public function save(#[\SensitiveParameter] array $properties): void
    {
        $model = $this->action->params->model();
        if ($model === null) {
            return;
        }
        try {
            $model->serviceProperties->save($properties);
        } catch (\Throwable $failure) {
            $this->action->log->note(
                'WHMCS did not save ' . implode(', ', array_keys($properties)) . ': ' . $failure->getMessage()
            );
        }
    }

    /** When the next payment is due, as YYYY-MM-DD; null if it never is, or cannot be read. */
    public function nextDueOn(): ?string
    {
        try {
            // Read anew: what WHMCS has handed over may be from before a renewal moved the date.
            $date = Records::find($this->ref)?->nextDueOn;
        } catch (\Throwable) {
            $date = null;
        }
        return $date === '' ? null : $date;
    }

    /** Sets the status in WHMCS after a button whose success WHMCS itself draws no conclusion from. */
    public function setStatus(string $status): void
    {
        [$command, $id] = $this->ref->kind === Ref::ADDON ? ['UpdateClientAddon', 'id']
            : ['UpdateClientProduct', 'serviceid'];
        $this->quietly("set the status to $status", function () use ($command, $id, $status): void {
            $result = localAPI($command, [$id => $this->ref->id, 'status' => $status]);
            if (($result['result'] ?? null) !== 'success') {
                throw new \RuntimeException(is_string($result['message'] ?? null) ? $result['message'] : 'no reason');
            }
        });
    }

    /** Something that staff should find later: in the Module Log, and in the client's Activity Log. */
    public function tell(string $sentence): void
    {
        $this->action->log->note($sentence);
        $this->quietly('write to the Activity Log', function () use ($sentence): void {
            $what = $this->ref->kind === Ref::ADDON ? 'Addon ID' : 'Service ID';
            logActivity("Opterius: $sentence - $what: {$this->ref->id}", $this->action->params->number('userid'));
        });
    }

    private function quietly(string $what, callable $work): void
    {
        try {
            $work();
        } catch (\Throwable $failure) {
            $this->action->log->note("WHMCS did not $what: " . $failure->getMessage());
        }
    }
}
