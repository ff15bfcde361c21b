<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** The name of a service or an add-on in the Panel: `s12` or `a12`. WHMCS numbers the two apart. */
final class Ref
{
    public const SERVICE = 'service';
    public const ADDON = 'addon';

    private function __construct(public readonly string $kind, public readonly int $id)
    {
    }

    public static function service(int $id): self
    {
        return new self(self::SERVICE, $id);
    }

    public static function addon(int $id): self
    {
        return new self(self::ADDON, $id);
    }

    /** Null if WHMCS did not say which service it means. */
    public static function of(Params $params): ?self
    {
        $addon = $params->number('addonId');
        $service = $params->number('serviceid');
        return match (true) {
            $addon > 0 => self::addon($addon),
            $service > 0 => self::service($service),
            default => null,
        };
    }

    /** Null for a name that this module does not give. */
    public static function parse(mixed $text): ?self
    {
        if (!is_string($text) || preg_match('/^([sa])([1-9]\d{0,17})$/D', $text, $match) !== 1) {
            return null;
        }
        return $match[1] === 's' ? self::service((int) $match[2]) : self::addon((int) $match[2]);
    }

    public function __toString(): string
    {
        return ($this->kind === self::SERVICE ? 's' : 'a') . $this->id;
    }
}
