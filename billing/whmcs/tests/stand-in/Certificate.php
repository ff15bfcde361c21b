<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

/** A throw-away TLS certificate and key, in files that go with this object. */
final class Certificate
{
    private ?string $pin = null;

    private function __construct(public readonly string $file, public readonly string $key)
    {
    }

    public function __destruct()
    {
        @unlink($this->file);
        @unlink($this->key);
    }

    /** @param string $name a subjectAltName such as `IP:127.0.0.1` */
    public static function selfSigned(string $name = 'IP:127.0.0.1'): self
    {
        $made = new self(tempnam(sys_get_temp_dir(), 'cert'), tempnam(sys_get_temp_dir(), 'key'));
        self::run(
            'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test'
            . ' -addext ' . escapeshellarg('subjectAltName=' . $name)
            . ' -keyout ' . escapeshellarg($made->key) . ' -out ' . escapeshellarg($made->file)
        );
        return $made;
    }

    /** The pin as curl wants it: base64 of the SHA-256 of the public key in DER. */
    public function pin(): string
    {
        return $this->pin ??= trim(self::run(
            'openssl pkey -in ' . escapeshellarg($this->key) . ' -pubout -outform DER'
            . ' | openssl dgst -sha256 -binary | base64'
        ));
    }

    private static function run(string $command): string
    {
        exec('{ ' . $command . '; } 2>/dev/null', $output, $status);
        if ($status !== 0) {
            throw new \RuntimeException('Failed: ' . $command);
        }
        return implode("\n", $output);
    }
}
