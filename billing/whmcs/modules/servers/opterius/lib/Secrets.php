<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** The secrets of one call, in every form in which they could turn up in a log. */
final class Secrets
{
    /**
     * Shorter values are left alone. None is a valid password or token, and hiding each "8" or "on" would only make the
     * log unreadable.
     */
    private const SHORTEST = 4;

    /** @var list<string> */
    private readonly array $values;

    /** @var list<string> */
    private readonly array $forms;

    public function __construct(#[\SensitiveParameter] string ...$values)
    {
        $this->values = array_values($values);
        $forms = [];
        foreach ($values as $value) {
            if (strlen($value) >= self::SHORTEST) {
                array_push($forms, ...self::formsOf($value));
            }
        }
        $forms = array_values(array_unique(array_filter($forms, static fn (string $form): bool => $form !== '')));
        // Longest first, so that the short form of a secret never cuts a longer one in two.
        usort($forms, static fn (string $a, string $b): int => strlen($b) <=> strlen($a));
        $this->forms = $forms;
    }

    public static function fromParams(Params $params): self
    {
        $password = $params->text('password');
        $pasted = $params->text('serveraccesshash');
        $hash = AccessHash::withoutSpace($pasted);
        return new self(
            $password,
            Entities::decode($password),
            $pasted,
            $hash,
            // The token, also when the rest of the hash is malformed and never used.
            explode('.', $hash)[1] ?? '',
            $params->text('serverpassword'),
        );
    }

    /** These secrets and more. */
    public function with(#[\SensitiveParameter] string ...$values): self
    {
        return new self(...$this->values, ...array_values($values));
    }

    /** @return list<string> what WHMCS is to replace in a log entry */
    public function forms(): array
    {
        return $this->forms;
    }

    public function hide(string $text): string
    {
        return $this->forms === [] ? $text : strtr($text, array_fill_keys($this->forms, '[secret]'));
    }

    /** @return list<string> */
    private static function formsOf(#[\SensitiveParameter] string $value): array
    {
        $forms = [$value, urlencode($value), rawurlencode($value), base64_encode($value)];
        foreach (self::base64sOf($value) as $form) {
            array_push($forms, $form, strtr($form, '+/', '-_'));
        }
        foreach ([0, JSON_UNESCAPED_SLASHES] as $slashes) {
            foreach ([0, JSON_UNESCAPED_UNICODE] as $unicode) {
                $json = json_encode($value, $slashes | $unicode | JSON_INVALID_UTF8_SUBSTITUTE);
                $forms[] = substr((string) $json, 1, -1);
            }
        }
        foreach ([ENT_QUOTES | ENT_HTML401, ENT_QUOTES | ENT_HTML5, ENT_COMPAT, ENT_NOQUOTES] as $quotes) {
            $forms[] = htmlspecialchars($value, $quotes | ENT_SUBSTITUTE, 'UTF-8');
            $forms[] = htmlentities($value, $quotes | ENT_SUBSTITUTE, 'UTF-8');
        }
        return $forms;
    }

    /**
     * Base64 writes three bytes as four letters, so that a text reads differently when one or two bytes stand before
     * it. Letters that also depend on what stands before or behind are left off.
     *
     * @return list<string>
     */
    private static function base64sOf(#[\SensitiveParameter] string $value): array
    {
        $forms = [rtrim(base64_encode($value), '=')];
        foreach ([0, 1, 2] as $before) {
            $letters = rtrim(base64_encode(str_repeat("\0", $before) . $value), '=');
            $end = (strlen($value) + $before) % 3 === 0 ? strlen($letters) : strlen($letters) - 1;
            $start = $before === 0 ? 0 : $before + 1;
            $forms[] = substr($letters, $start, $end - $start);
        }
        return array_values(array_filter($forms, static fn (string $form): bool => strlen($form) >= self::SHORTEST));
    }
}
