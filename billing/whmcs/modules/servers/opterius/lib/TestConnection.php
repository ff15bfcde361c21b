<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** The Test Connection button: finds the one thing that is wrong, in the order in which things have to be mended. */
final class TestConnection
{
    private const API_VERSION = 1;

    /** What the module does with each scope. */
    private const SCOPES = [
        'self.read' => 'Test Connection',
        'self.rotate' => 'Rotate Token',
        'self.sign_in' => 'signing staff in',
        'accounts.read' => 'seeing what became of a change',
        'accounts.create' => 'Create',
        'accounts.suspend' => 'Suspend and Unsuspend',
        'accounts.package' => 'Change Package',
        'accounts.password' => 'Change Password',
        'accounts.terminate' => 'Terminate',
        'accounts.restore' => 'Restore',
        'accounts.repair' => 'Reconcile',
        'accounts.record' => 'Renew',
        'accounts.sign_in' => 'signing clients in',
        'packages.read' => 'choosing a package',
        'operations.read' => 'seeing what became of a change',
        'operations.retry' => 'Retry Operation',
    ];

    /** Seconds. Beyond this the ages of requests and tokens can no longer be trusted. */
    private const MOST_SKEW = 300;

    public function __construct(private readonly Action $action)
    {
    }

    /** @throws Refusal with what is wrong */
    public function run(): void
    {
        $panel = $this->action->panel();
        $self = $this->ask($panel, '/api/self');
        if (!is_int($self['api_version'] ?? null)) {
            throw new Refusal("{$panel->address} answers, but not as an Opterius Panel does.");
        }
        $this->checkVersion($self['api_version']);
        $this->checkClock($self['server_time_at'] ?? null);
        $this->checkCaller(is_array($self['caller'] ?? null) ? $self['caller'] : []);
        $this->checkScopes($self['caller']['scopes'] ?? null);
        if ($this->ask($panel, '/api/packages') === []) {
            throw new Refusal(Packages::none());
        }
        $this->checkServers(is_array($self['servers'] ?? null) ? $self['servers'] : []);
    }

    private function ask(Panel $panel, string $path): array
    {
        $reply = $panel->get($path, [], $this->action->patience->left());
        return $reply->data() ?? throw new Refusal(Explanation::of($reply, $panel->address));
    }

    private function checkVersion(int $version): void
    {
        if ($version !== self::API_VERSION) {
            throw new Refusal(sprintf(
                'The Panel speaks version %d of its API and this module version %d. Update the %s.',
                $version,
                self::API_VERSION,
                $version > self::API_VERSION ? 'module in modules/servers/opterius' : 'Panel',
            ));
        }
    }

    private function checkClock(mixed $microseconds): void
    {
        $skew = is_int($microseconds) ? intdiv($microseconds, 1_000_000) - time() : 0;
        if (abs($skew) > self::MOST_SKEW) {
            throw new Refusal(sprintf(
                'The clock of the Panel is %d minutes %s the clock of WHMCS. Set both by NTP.',
                intdiv(abs($skew), 60),
                $skew > 0 ? 'ahead of' : 'behind',
            ));
        }
    }

    /** A copy of a WHMCS may look, but change nothing. */
    private function checkCaller(array $caller): void
    {
        if (($caller['allowed'] ?? true) !== true) {
            throw new Refusal(sprintf(
                'The Panel knows this token from another WHMCS than this one (%s in %s), which may be a copy: it '
                . 'refuses every change. If this is the WHMCS that sells, run `opterius token allow %s` on the '
                . 'Panel\'s server; if it is a copy, give it a Panel of its own.',
                Installation::url() ?: 'no System URL',
                Installation::directory(),
                is_string($caller['name'] ?? null) ? $caller['name'] : 'NAME',
            ));
        }
    }

    private function checkScopes(mixed $scopes): void
    {
        $lacking = [];
        foreach (array_diff(array_keys(self::SCOPES), is_array($scopes) ? $scopes : []) as $scope) {
            $lacking[] = $scope . ' (' . self::SCOPES[$scope] . ')';
        }
        if ($lacking !== []) {
            throw new Refusal(
                'The token in the Access Hash lacks ' . implode(', ', $lacking) . '. Create a new WHMCS token in the '
                . 'Panel, which has all the scopes that this module needs, and paste its Access Hash.'
            );
        }
    }

    private function checkServers(array $servers): void
    {
        if ($servers === []) {
            throw new Refusal('The Panel has no server yet. Add one in the Panel under Server Mode > Servers.');
        }
        foreach ($servers as $server) {
            if (($server['reachable'] ?? null) !== true) {
                throw new Refusal(sprintf(
                    'The Panel answers, but cannot reach its server %s. Check that opterius-agent is running there.',
                    is_string($server['name'] ?? null) ? $server['name'] : '',
                ));
            }
        }
    }
}
