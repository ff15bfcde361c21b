<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** The hook with which a module names a new account, instead of the first eight letters of its domain. */
final class UsernameGeneration
{
    /** Seconds. A name that comes late is no better than the one that needs no Panel. */
    private const BUDGET = 5.0;

    /** The custom field of a product in which a client may wish for a name. */
    private const WISH = 'Username';

    /**
     * @param array<string, mixed> $vars the parameters of the module, or those under `params`
     *
     * @return string|null null leaves the name to WHMCS, for other modules' services
     */
    public static function answer(array $vars): ?string
    {
        $given = is_array($vars['params'] ?? null) ? $vars['params'] : $vars;
        $params = new Params($given);
        $ref = Ref::of($params);
        if ($params->text('moduletype') !== 'opterius' || $ref === null) {
            return null;
        }
        $domain = Domain::clean($params->text('domain'));
        $wish = strtolower(Entities::decode($params->customField(self::WISH)));
        $made = Username::made($wish, $domain, $ref);
        return Action::perform(
            'UsernameGeneration',
            $given,
            self::BUDGET,
            static function (Action $action) use ($wish, $domain, $made): string {
                $server = (new ProductOptions($action->params))->server();
                $left = $action->patience->left();
                return Username::proposed($action->panel(), $wish, $domain, $server, $left) ?? $made;
            },
            static fn (): string => $made,
        );
    }
}
