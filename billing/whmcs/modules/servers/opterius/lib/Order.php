<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** What WHMCS has sold: everything that the Panel has to know to create the account. */
final class Order
{
    private function __construct(
        public readonly Ref $ref,
        public readonly string $username,
        public readonly string $domain,
        #[\SensitiveParameter] private readonly string $password,
        private readonly string $email,
        private readonly string $clientRef,
        private readonly ?string $nextDueOn,
    ) {
    }

    /**
     * @param string $username the one of the service record, or one that was found for it
     *
     * @throws Refusal naming the first thing that is missing
     */
    public static function from(
        Ref $ref,
        Params $params,
        string $username,
        string $domain,
        #[\SensitiveParameter] string $password,
        ?string $nextDueOn,
    ): self {
        $then = ' Then press Create again.';
        if ($domain === '') {
            throw new Refusal('This service has no domain. Enter one in the service record.' . $then);
        }
        if ($password === '') {
            throw new Refusal('This service has no password. Enter one in the service record.' . $then);
        }
        $order = new self(
            $ref,
            strtolower($username),
            $domain,
            $password,
            Entities::decode($params->email()),
            $params->clientRef(),
            $nextDueOn,
        );
        if (!mb_check_encoding([$username, $domain, $password, $order->email], 'UTF-8')) {
            throw new Refusal(
                'The username, domain or password of this service, or the client\'s e-mail address, contains bytes '
                . 'that are not UTF-8 text. Enter it anew.' . $then
            );
        }
        return $order;
    }

    /** @return array<string, string> the body of the request, without the package */
    public function body(): array
    {
        return array_filter([
            'username' => $this->username,
            'domain' => Domain::ascii($this->domain),
            'password' => $this->password,
            'external_ref' => (string) $this->ref,
            'email' => $this->email,
            'client_ref' => $this->clientRef,
            'next_due_on' => (string) $this->nextDueOn,
        ], static fn (string $value): bool => $value !== '');
    }

    /** The same without the client's e-mail address; null if there is none in it. */
    public function withoutEmail(): ?self
    {
        return $this->email === '' ? null : new self(
            $this->ref,
            $this->username,
            $this->domain,
            $this->password,
            '',
            $this->clientRef,
            $this->nextDueOn,
        );
    }

    /** Whether an account in a list of the Panel's is the one that this order asks for. */
    public function isFor(array $account): bool
    {
        return ($account['external_ref'] ?? null) === (string) $this->ref
            && ($account['username'] ?? null) === $this->username
            && ($account['domain'] ?? null) === Domain::ascii($this->domain);
    }
}
