<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

/**
 * The Module Log of WHMCS: it replaces what the module names as secret and keeps the rest. Then it looks for the
 * secrets that it knows, in encodings of its own, and remembers each that survived.
 */
final class ModuleLog
{
    /** @var list<array{module: string, action: string, request: string, response: string, processed: string}> */
    public array $entries = [];

    /** @var list<string> what leaked and where, without the secret itself */
    public array $leaks = [];

    /** @var array<string, string> */
    private array $secrets = [];

    /** Takes the secrets of a call from its parameters. */
    public function watch(array $params): void
    {
        $this->secrets = array_filter([
            'password' => (string) ($params['password'] ?? ''),
            'password as typed' => html_entity_decode((string) ($params['password'] ?? ''), ENT_QUOTES),
            'access hash' => (string) ($params['serveraccesshash'] ?? ''),
            'token' => explode('.', (string) ($params['serveraccesshash'] ?? ''))[1] ?? '',
            'server password' => (string) ($params['serverpassword'] ?? ''),
        ], static fn (string $secret): bool => strlen($secret) >= 4);
    }

    public function record(
        string $module,
        string $action,
        mixed $request,
        mixed $response,
        mixed $processed = '',
        array $replace = [],
    ): array {
        $entry = ['module' => $module, 'action' => $action];
        foreach (['request' => $request, 'response' => $response, 'processed' => $processed] as $part => $value) {
            $text = is_string($value) ? $value : print_r($value, true);
            $this->lookForSecrets($text, "$action $part before masking");
            $entry[$part] = str_replace($replace, '****', $text);
            $this->lookForSecrets($entry[$part], "$action $part");
        }
        return $this->entries[] = $entry;
    }

    public function lookForSecrets(string $text, string $where): void
    {
        foreach ($this->secrets as $name => $secret) {
            foreach (self::encodings($secret) as $encoding => $form) {
                if ($form !== '' && str_contains($text, $form)) {
                    $this->leaks[] = "$name ($encoding) in $where";
                }
            }
        }
    }

    /** Looks for a secret that became known only after entries were made, in all of them. */
    public function lookBackFor(string $name, string $secret): void
    {
        $known = $this->secrets;
        $this->secrets = [$name => $secret];
        $this->lookForSecrets($this->text(), 'the Module Log');
        $this->secrets = $known;
    }

    /** Everything that was recorded, as one text. */
    public function text(): string
    {
        return print_r($this->entries, true);
    }

    /** @return array<string, string> */
    public static function encodings(string $secret): array
    {
        return [
            'raw' => $secret,
            'url' => urlencode($secret),
            'rawurl' => rawurlencode($secret),
            'json' => substr((string) json_encode($secret), 1, -1),
            'json, slashes' => substr((string) json_encode($secret, JSON_UNESCAPED_SLASHES), 1, -1),
            'json, unicode' => substr((string) json_encode($secret, JSON_UNESCAPED_UNICODE), 1, -1),
            'json, both' => substr(
                (string) json_encode($secret, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES),
                1,
                -1,
            ),
            'html' => htmlspecialchars($secret, ENT_QUOTES),
            'html, double quotes only' => htmlspecialchars($secret, ENT_COMPAT),
            'html entities' => htmlentities($secret, ENT_QUOTES),
            'html5' => htmlspecialchars($secret, ENT_QUOTES | ENT_HTML5),
            'base64' => base64_encode($secret),
            'base64, unpadded' => rtrim(base64_encode($secret), '='),
        ];
    }
}
