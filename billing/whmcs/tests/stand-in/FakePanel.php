<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

/** Starts and steers the Panel in panel.py. It ends with this object. */
final class FakePanel
{
    public const TOKEN = 'ttttttttttttttttttttttttttttttttttttttttttt';
    public const PACKAGE_ID = '01890000-0000-7000-8000-000000000001';

    public readonly int $port;

    /** @var resource */
    private $process;

    /** @var array<int, resource> */
    private array $pipes = [];

    public function __construct(public readonly Certificate $certificate)
    {
        $command = ['python3', __DIR__ . '/panel.py', $certificate->file, $certificate->key, $this->pins()];
        $this->process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], STDERR], $this->pipes);
        $this->port = $this->read()['port'];
    }

    public function __destruct()
    {
        $this->end();
    }

    /** From now on nobody listens on its port. */
    public function end(): void
    {
        if (is_resource($this->process)) {
            fclose($this->pipes[0]);
            proc_close($this->process);
        }
    }

    /** As if it had just been started: it takes a moment to start one, and every test begins with a new one. */
    public function reset(): void
    {
        $this->command(['do' => 'reset']);
    }

    /** @param array ...$rules see panel.py; each is used once, or its `times` times, by the first requests it fits */
    public function script(array ...$rules): void
    {
        $this->command(['do' => 'script', 'rules' => $rules]);
    }

    public function set(array $state): void
    {
        $this->command(['do' => 'set', 'state' => $state]);
    }

    /**
     * What the module has asked so far, with `headers` (names in lower case), `query` and `body`.
     *
     * @param string $path may hold `*` for anything
     *
     * @return list<array>
     */
    public function requests(string $method = '', string $path = ''): array
    {
        return array_values(array_filter(
            $this->command(['do' => 'report'])['requests'],
            static fn (array $request): bool => ($method === '' || $request['method'] === $method)
                && ($path === '' || fnmatch($path, $request['path'])),
        ));
    }

    /** How many requests were made that were no mere questions. */
    public function changes(): int
    {
        return count($this->requests()) - count($this->requests('GET'));
    }

    /**
     * What the host's own staff does in the Panel, such as `('POST', '/api/accounts/ID/suspend', ['reason' => …])`, which
     * sets the hold `abuse`.
     *
     * @return array the `data` of the answer
     */
    public function asStaff(string $method, string $path, ?array $body = null): array
    {
        $reply = $this->command(['do' => 'staff', 'method' => $method, 'path' => $path, 'body' => $body]);
        return $reply['body']['data'] ?? throw new \RuntimeException($reply['body']['detail']);
    }

    /** `opterius token allow`: another installation may change things, too. */
    public function allow(string $url, string $directory): void
    {
        $this->set(['callers' => [...$this->state()['callers'], "$url in $directory"]]);
    }

    /** An account of somebody else, which no token of WHMCS may see. */
    public function strangersAccount(string $username, string $domain): array
    {
        return $this->asStaff('POST', '/api/accounts', [
            'username' => $username, 'domain' => $domain, 'password' => 'of-a-stranger', 'package' => 'Starter',
        ]);
    }

    /** The live account with this reference of WHMCS, as the Panel keeps it. */
    public function account(string $ref): ?array
    {
        return array_column($this->state()['accounts'], null, 'external_ref')[$ref] ?? null;
    }

    public function state(): array
    {
        return $this->command(['do' => 'report'])['state'];
    }

    public function accessHash(string $token = self::TOKEN): string
    {
        return 'o1.' . $token . '.' . $this->pins();
    }

    private function pins(): string
    {
        return $this->certificate->pin() . ',' . base64_encode(str_repeat('b', 32));
    }

    private function command(array $command): array
    {
        fwrite($this->pipes[0], json_encode($command, JSON_THROW_ON_ERROR) . "\n");
        return $this->read();
    }

    private function read(): array
    {
        $line = fgets($this->pipes[1]);
        if ($line === false) {
            throw new \RuntimeException('The fake Panel ended.');
        }
        return json_decode($line, true, 512, JSON_THROW_ON_ERROR);
    }
}
