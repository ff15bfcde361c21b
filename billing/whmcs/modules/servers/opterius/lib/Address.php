<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Where the Panel listens. There is no way to write an address that is not https. */
final class Address
{
    public const DEFAULT_PORT = 8443;

    private function __construct(public readonly string $host, private readonly int $port)
    {
    }

    /** @throws Refusal */
    public static function fromParams(Params $params): self
    {
        $host = $params->host();
        if ($host === '') {
            throw new Refusal(
                'No Opterius server is assigned to this service, or the server has neither a host name nor an IP '
                . 'address. Choose a server in the service record, or complete the one under Setup > Servers.'
            );
        }
        if (filter_var($host, FILTER_VALIDATE_IP, FILTER_FLAG_IPV6) !== false) {
            $host = '[' . $host . ']';
        } elseif (preg_match('/^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?\.?$/D', $host) !== 1) {
            throw new Refusal(
                'The Hostname of this server is not a host name. Enter the name alone, such as panel.example.com, '
                . 'without https:// and without a path; the port has its own field.'
            );
        }
        $port = trim($params->text('serverport'));
        if ($port === '') {
            return new self($host, self::DEFAULT_PORT);
        }
        if (preg_match('/^\d{1,5}$/D', $port) !== 1 || (int) $port < 1 || (int) $port > 65535) {
            throw new Refusal(
                'The Port of this server is not a number from 1 to 65535. The Opterius Panel listens on '
                . self::DEFAULT_PORT . ' unless it was set up otherwise.'
            );
        }
        return new self($host, (int) $port);
    }

    public function url(string $path): string
    {
        return 'https://' . $this . $path;
    }

    public function __toString(): string
    {
        return $this->host . ':' . $this->port;
    }
}
