<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * The Panel's API over https. Sends a request once and reports what came of it; what to do next the caller decides. Only
 * what the Panel has put off (429 with Retry-After) is sent again, for nothing was done then: at a browser once and after
 * a short wait, in the cron as often as there is time for.
 */
final class Panel
{
    private const CONNECT_TIMEOUT = 5.0;

    /** Seconds that somebody at a browser waits without wondering. */
    private const LONGEST_WAIT = 5;

    /** A request that would get less than this is not worth sending again. */
    private const SHORTEST_REQUEST = 1.0;

    public function __construct(
        public readonly Address $address,
        private readonly AccessHash $accessHash,
        private readonly string $requestId,
        private readonly ModuleLog $log,
        private readonly Patience $patience,
    ) {
    }

    /**
     * @param array<string, string|int> $query
     * @param float $timeout seconds
     */
    public function get(string $path, array $query, float $timeout): Reply
    {
        return $this->send('GET', self::target($path, $query), null, $timeout);
    }

    /**
     * @param array<string, mixed> $body
     * @param float $timeout seconds
     */
    public function post(string $path, #[\SensitiveParameter] array $body, float $timeout): Reply
    {
        return $this->send('POST', $path, $body, $timeout);
    }

    /**
     * @param array<string, mixed> $body
     * @param float $timeout seconds
     */
    public function put(string $path, #[\SensitiveParameter] array $body, float $timeout): Reply
    {
        return $this->send('PUT', $path, $body, $timeout);
    }

    /**
     * @param array<string, string|null> $body
     * @param float $timeout seconds
     */
    public function patch(string $path, array $body, float $timeout): Reply
    {
        return $this->send('PATCH', $path, $body, $timeout);
    }

    /**
     * @param array<string, string|int> $query
     * @param float $timeout seconds
     */
    public function delete(string $path, array $query, float $timeout): Reply
    {
        return $this->send('DELETE', self::target($path, $query), null, $timeout);
    }

    private function send(string $method, string $target, #[\SensitiveParameter] ?array $body, float $timeout): Reply
    {
        $end = self::now() + $timeout;
        for ($sends = 1;; $sends++) {
            $reply = $this->sendOnce($method, $target, $body, $timeout);
            if ($reply->status !== 429 || $reply->retryAfter === null) {
                return $reply;
            }
            // Longer each time, whatever the Panel says, and jittered, so that requests that were put off together do not
            // come back together.
            $wait = max($reply->retryAfter, $sends - 1) + random_int(0, 250) / 1000;
            $left = match (true) {
                !$this->patience->somebodyWaits => $this->patience->left(),
                $sends === 1 && $reply->retryAfter <= self::LONGEST_WAIT => $end - self::now(),
                default => 0.0,
            };
            if ($left < $wait + self::SHORTEST_REQUEST) {
                return $reply;
            }
            usleep((int) ($wait * 1e6));
            $timeout = min($timeout, $left - $wait);
        }
    }

    private static function now(): float
    {
        return hrtime(true) / 1e9;
    }

    private function sendOnce(
        string $method,
        string $target,
        #[\SensitiveParameter] ?array $body,
        float $timeout,
    ): Reply {
        $headers = [
            'Accept: application/json, application/problem+json',
            'Authorization: Bearer ' . $this->accessHash->token,
            'X-Request-Id: ' . $this->requestId,
            'User-Agent: Opterius-WHMCS/' . Module::VERSION,
            'Opterius-Caller: ' . Installation::address(),
        ];
        $handle = curl_init($this->address->url($target));
        if ($body !== null) {
            $headers[] = 'Content-Type: application/json';
            curl_setopt($handle, CURLOPT_POSTFIELDS, self::json($body));
        }
        curl_setopt_array($handle, [
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_HTTPHEADER => $headers,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTPS,
            CURLOPT_FOLLOWLOCATION => false,
            // An empty string also switches off a proxy named in the environment.
            CURLOPT_PROXY => '',
            CURLOPT_NOSIGNAL => true,
            CURLOPT_CONNECTTIMEOUT_MS => (int) (1000 * min(self::CONNECT_TIMEOUT, $timeout)),
            CURLOPT_TIMEOUT_MS => max(1, (int) (1000 * $timeout)),
            CURLOPT_SSLVERSION => CURL_SSLVERSION_TLSv1_2,
        ]);
        $this->verifyPeer($handle);
        $retryAfter = null;
        curl_setopt($handle, CURLOPT_HEADERFUNCTION, static function ($handle, string $line) use (&$retryAfter): int {
            if (preg_match('/^retry-after:\s*(\d{1,6})\s*$/iD', $line, $found) === 1) {
                $retryAfter = (int) $found[1];
            }
            return strlen($line);
        });

        $answer = curl_exec($handle);
        $reply = new Reply(
            curl_getinfo($handle, CURLINFO_RESPONSE_CODE),
            is_string($answer) ? $answer : '',
            curl_errno($handle),
            curl_error($handle),
            // Curl counts what it sent; a handshake that failed leaves this at zero.
            curl_getinfo($handle, CURLINFO_REQUEST_SIZE) > 0,
            $retryAfter,
        );
        $summary = sprintf(
            'status=%d duration_ms=%d request.id=%s%s',
            $reply->status,
            (int) (1000 * curl_getinfo($handle, CURLINFO_TOTAL_TIME)),
            $this->requestId,
            $reply->errno === 0 ? '' : sprintf(' curl=%d %s', $reply->errno, $reply->error),
        );
        $this->log->hide(...$reply->secrets());
        $this->log->exchange(
            $method . ' ' . $this->address->url($target) . "\nX-Request-Id: " . $this->requestId . "\n"
            . ($body === null ? '' : self::json(array_intersect_key(['password' => '[password]'], $body) + $body)),
            'HTTP ' . $reply->status . "\n" . self::shown($target, $reply, is_string($answer) ? $answer : ''),
            $summary,
        );
        return $reply;
    }

    /**
     * Verifies whom we talk to: by the pins of the Access Hash, or by the certificate's chain and name.
     *
     * A self-signed certificate fails curl's chain check even where the pin is right, so with pins that check has to
     * go. This is the only place that switches it off, and it does so only after curl has accepted the pins: a libcurl
     * built without pinning would otherwise verify nothing at all.
     */
    private function verifyPeer(\CurlHandle $handle): void
    {
        curl_setopt($handle, CURLOPT_SSL_VERIFYPEER, true);
        curl_setopt($handle, CURLOPT_SSL_VERIFYHOST, 2);
        if ($this->accessHash->pins === []) {
            return;
        }
        $pins = implode(';', array_map(static fn (string $pin): string => 'sha256//' . $pin, $this->accessHash->pins));
        if (curl_setopt($handle, CURLOPT_PINNEDPUBLICKEY, $pins) !== true) {
            throw new Refusal(
                'The curl library of this PHP cannot verify the Panel by the pins in the Access Hash. Nothing was '
                . 'sent. Ask whoever runs the WHMCS server for a libcurl with OpenSSL.'
            );
        }
        curl_setopt($handle, CURLOPT_SSL_VERIFYPEER, false);
        curl_setopt($handle, CURLOPT_SSL_VERIFYHOST, 0);
    }

    /** The answer as the log may have it. What opens a door is taken out of JSON; out of anything else it cannot be. */
    private static function shown(string $target, Reply $reply, string $answer): string
    {
        $opensDoors = preg_match('#/(sign-in|token)$#D', $target) === 1;
        return $opensDoors && !$reply->isWellFormed() ? '[' . strlen($answer) . ' bytes, not shown]' : $answer;
    }

    private static function target(string $path, array $query): string
    {
        return $query === [] ? $path : $path . '?' . http_build_query($query, '', '&', PHP_QUERY_RFC3986);
    }

    private static function json(#[\SensitiveParameter] array $body): string
    {
        // Throws on text that is not UTF-8, which the Panel could not store as it was meant.
        $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR;
        return json_encode($body === [] ? new \stdClass() : $body, $flags);
    }
}
