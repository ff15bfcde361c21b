<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

use WHMCS\Module\Server\CustomAction;
use WHMCS\Module\Server\CustomActionCollection;

/**
 * What clients find beside a service on their home page and in its sidebar, from WHMCS 8.5 on. WHMCS calls what is
 * behind an entry only when it is clicked.
 */
final class CustomActions
{
    /** The permission that a user of the client needs to be signed in elsewhere. */
    private const PERMISSION = 'productsso';

    public static function of(#[\SensitiveParameter] array $params): CustomActionCollection
    {
        $language = Language::of(new Params($params));
        $collection = new CustomActionCollection();
        foreach (SignIn::TARGETS as $target) {
            $collection->add(CustomAction::factory(
                'opterius-' . $target,
                $language->say($target === SignIn::TARGETS[0] ? 'sign_in' : 'open.' . $target),
                static fn (): array => Module::serviceSingleSignOn($params, $target),
                [],
                [self::PERMISSION],
            ));
        }
        return $collection;
    }
}
