<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Looks at the account of a service, by its reference. */
final class AccountQuestion
{
    public readonly Panel $panel;
    private readonly Ref $ref;

    /** @throws Refusal if WHMCS did not say which service it means, or if its server form is not complete */
    public function __construct(private readonly Action $action)
    {
        $this->ref = Ref::of($action->params) ?? throw new Refusal(
            'WHMCS did not say which service this is. Open the service and press the button there.'
        );
        $this->panel = $action->panel();
    }

    /**
     * @param string $part of the account's address, such as `/plan`
     *
     * @throws Refusal with what the Panel says instead
     */
    public function ask(string $part = ''): array
    {
        $path = '/api/accounts/ref:' . $this->ref . $part;
        $reply = $this->panel->get($path, [], $this->action->patience->left());
        return $reply->data() ?? throw new Refusal(Explanation::of($reply, $this->panel->address));
    }
}
