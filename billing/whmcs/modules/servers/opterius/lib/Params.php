<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** The array that WHMCS hands to every function: untyped, and in some calls nearly empty. */
final class Params
{
    public function __construct(#[\SensitiveParameter] private readonly array $params)
    {
    }

    /** The value as text; empty where it is missing or cannot be text. */
    public function text(string $key): string
    {
        return self::scalar($this->params[$key] ?? null);
    }

    /** Whether WHMCS handed it over at all. */
    public function has(string $key): bool
    {
        return array_key_exists($key, $this->params);
    }

    public function number(string $key): int
    {
        return (int) $this->text($key);
    }

    public function email(): string
    {
        return trim($this->ofClient('email'));
    }

    /** The client as the Panel's accounts name it: `c3`; empty if WHMCS did not say who that is. */
    public function clientRef(): string
    {
        $id = (int) $this->ofClient('id') ?: $this->number('userid');
        return $id > 0 ? 'c' . $id : '';
    }

    public function customField(string $name): string
    {
        return trim($this->entry('customfields', $name));
    }

    /** @return array<string, string> what the client has chosen, by the name of the configurable option */
    public function configurableOptions(): array
    {
        $options = $this->params['configoptions'] ?? null;
        return is_array($options) ? array_map(self::scalar(...), $options) : [];
    }

    /** The language of the client, as WHMCS names it; empty if it is WHMCS's own. */
    public function language(): string
    {
        return $this->ofClient('language');
    }

    /** The service or add-on record, where WHMCS passes one. */
    public function model(): ?object
    {
        $model = $this->params['model'] ?? null;
        return is_object($model) ? $model : null;
    }

    public function hasServer(): bool
    {
        return $this->host() !== '';
    }

    /** What the server form says: its host name, or else its address. */
    public function host(): string
    {
        $hostname = trim($this->text('serverhostname'));
        return $hostname !== '' ? $hostname : trim($this->text('serverip'));
    }

    private function ofClient(string $key): string
    {
        return $this->entry('clientsdetails', $key);
    }

    private function entry(string $array, string $key): string
    {
        $entries = $this->params[$array] ?? null;
        return is_array($entries) ? self::scalar($entries[$key] ?? null) : '';
    }

    private static function scalar(mixed $value): string
    {
        return is_scalar($value) ? (string) $value : '';
    }
}
