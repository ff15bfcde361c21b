<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** What WHMCS has sold: everything that the Panel has to know to create the account. */
final class Order
{
    private const UUID = '/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/Di';

    private function __construct(
        public readonly string $ref,
        public readonly string $username,
        private readonly string $domain,
        private readonly string $password,
        private readonly string $package,
        private readonly string $email,
    ) {
    }

    /** @throws Refusal naming the first thing that is missing */
    public static function fromParams(Params $params): self
    {
        $order = new self(
            (string) Ref::of($params),
            trim($params->text('username')),
            rtrim(trim($params->text('domain')), '.'),
            Entities::decode($params->text('password')),
            $params->text('configoption1'),
            Entities::decode($params->email()),
        );
        $then = ' Then press Create again.';
        if ($order->ref === '') {
            throw new Refusal('WHMCS did not say which service this is. Open the service and press Create there.');
        }
        if ($order->domain === '') {
            throw new Refusal('This service has no domain. Enter one in the service record.' . $then);
        }
        if ($order->username === '') {
            throw new Refusal(
                'This service has no username. Enter one in the service record: 3 to 32 lower-case letters and digits, '
                . 'starting with a letter.' . $then
            );
        }
        if ($order->password === '') {
            throw new Refusal('This service has no password. Enter one in the service record.' . $then);
        }
        if (trim($order->package) === '') {
            throw new Refusal('This product has no package. Choose one in the product\'s Module Settings.' . $then);
        }
        if (!mb_check_encoding(implode('', $order->body()), 'UTF-8')) {
            throw new Refusal(
                'The username, domain, password or package of this service, or the client\'s e-mail address, contains '
                . 'bytes that are not UTF-8 text. Enter it anew.' . $then
            );
        }
        return $order;
    }

    /** @return array<string, string> the body of the request */
    public function body(): array
    {
        $body = [
            'username' => $this->username,
            'domain' => $this->domain,
            'password' => $this->password,
            // The drop-down stores ids. A name was typed, or comes from an older set-up.
            preg_match(self::UUID, $this->package) === 1 ? 'package_id' : 'package' => $this->package,
            'external_ref' => $this->ref,
        ];
        return $this->email === '' ? $body : $body + ['email' => $this->email];
    }

    /**
     * The same order with the package's name decoded from HTML; null if that changes nothing. Names are compared byte
     * for byte, so the name as it stands is always tried first.
     */
    public function withDecodedPackage(): ?self
    {
        $package = Entities::decode($this->package);
        return $package === $this->package ? null : new self(
            $this->ref,
            $this->username,
            $this->domain,
            $this->password,
            $package,
            $this->email,
        );
    }

    /** Whether an account in a list of the Panel's is the one that this order asks for. */
    public function isFor(array $account): bool
    {
        return ($account['external_ref'] ?? null) === $this->ref
            && ($account['username'] ?? null) === $this->username
            && ($account['domain'] ?? null) === $this->canonicalDomain();
    }

    /**
     * The domain as the Panel keeps it, lower-case and as an A-label. Without PHP's intl extension an international
     * name stays as it is and so equals no account, which errs on the side of asking once more.
     */
    private function canonicalDomain(): string
    {
        $ascii = function_exists('idn_to_ascii') ? idn_to_ascii($this->domain, IDNA_NONTRANSITIONAL_TO_ASCII) : false;
        return strtolower($ascii === false ? $this->domain : $ascii);
    }
}
