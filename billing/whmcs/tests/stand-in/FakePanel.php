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
        $command = ['python3', __DIR__ . '/panel.py', $certificate->file, $certificate->key];
        $this->process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], STDERR], $this->pipes);
        $this->port = $this->read()['port'];
    }

    public function __destruct()
    {
        fclose($this->pipes[0]);
        proc_close($this->process);
    }

    /** @param array ...$rules see panel.py; each is used once, by the first request that it fits */
    public function script(array ...$rules): void
    {
        $this->command(['do' => 'script', 'rules' => $rules]);
    }

    public function set(array $state): void
    {
        $this->command(['do' => 'set', 'state' => $state]);
    }

    /** @return list<array> */
    public function requests(string $method = '', string $path = ''): array
    {
        return array_values(array_filter(
            $this->command(['do' => 'report'])['requests'],
            static fn (array $request): bool => ($method === '' || $request['method'] === $method)
                && ($path === '' || $request['path'] === $path),
        ));
    }

    public function state(): array
    {
        return $this->command(['do' => 'report'])['state'];
    }

    public function accessHash(): string
    {
        return 'o1.' . self::TOKEN . '.' . $this->certificate->pin() . ',' . base64_encode(str_repeat('b', 32));
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
