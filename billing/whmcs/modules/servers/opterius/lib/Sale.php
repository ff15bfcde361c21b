<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** What an account is to have: the product's settings, and what the client has chosen of its configurable options. */
final class Sale
{
    private const UUID = '/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/Di';

    /** The configurable option with which a client chooses the package. */
    private const PACKAGE = 'package';

    /**
     * @param array<string, int|null> $limits by the Panel's names; null leaves one to the package
     * @param list<string> $otherOptions configurable options that mean nothing to the Panel
     */
    private function __construct(
        private readonly string $package,
        public readonly array $limits,
        public readonly string $server,
        public readonly array $otherOptions,
    ) {
    }

    /** @throws Refusal naming the first thing that is missing or not clear */
    public static function fromParams(Params $params): self
    {
        if ($params->text('producttype') === 'reselleraccount') {
            throw new Refusal(
                'This product is a reseller account, which Opterius does not have yet. Set its Product Type to Shared '
                . 'Hosting under Setup > Products/Services.'
            );
        }
        $options = new ProductOptions($params);
        $package = $options->package();
        $chosen = [];
        foreach ($params->configurableOptions() as $name => $value) {
            if (strtolower(trim(explode('|', (string) $name)[0])) !== self::PACKAGE) {
                $chosen[$name] = $value;
            } elseif (trim($value) !== '') {
                $package = explode('|', $value)[0];
            }
        }
        if (trim($package) === '') {
            throw new Refusal(
                'This product has no package. Choose one in the product\'s Module Settings. Then press the button '
                . 'again.'
            );
        }
        [$limits, $others] = Limits::read($options->limits(), $chosen);
        return new self($package, $limits, $options->server(), $others);
    }

    /** @return array{package_id: string}|array{package: string} */
    public function package(): array
    {
        return self::choice($this->package);
    }

    /** @return array{package_id: string}|array{package: string} the drop-down stores ids; a name was typed */
    public static function choice(string $package): array
    {
        return [preg_match(self::UUID, $package) === 1 ? 'package_id' : 'package' => $package];
    }

    /** @return array<string, int> the limits that the package does not decide */
    public function overrides(): array
    {
        return array_filter($this->limits, 'is_int');
    }

    /**
     * The same with the package's name decoded from HTML; null if that changes nothing. Names are compared byte for
     * byte, so the name as it stands is always tried first.
     */
    public function withDecodedPackage(): ?self
    {
        $package = Entities::decode($this->package);
        return $package === $this->package
            ? null
            : new self($package, $this->limits, $this->server, $this->otherOptions);
    }
}
