<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

/** Runs order.php: the module in a PHP of its own. */
final class Driver
{
    /**
     * @param array $params handed over on standard input
     * @param list<string> $arguments
     * @param list<string> $php options for PHP itself
     *
     * @return array{int, array} the exit status and what was printed
     */
    public static function run(array $params, array $arguments, array $php = []): array
    {
        $command = ['php', ...$php, dirname(__DIR__) . '/order.php', ...$arguments];
        $process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
        fwrite($pipes[0], json_encode($params, JSON_THROW_ON_ERROR));
        fclose($pipes[0]);
        $output = stream_get_contents($pipes[1]);
        $complaints = stream_get_contents($pipes[2]);
        if ($complaints !== '') {
            throw new \RuntimeException($complaints);
        }
        return [proc_close($process), json_decode($output, true, 512, JSON_THROW_ON_ERROR)];
    }
}
