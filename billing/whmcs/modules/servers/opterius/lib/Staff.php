<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

use WHMCS\Authentication\CurrentUser;

/** Who is in front of WHMCS. */
final class Staff
{
    /** Whether a member of staff is signed in and acts as such: not the cron, and not somebody in a client's place. */
    public static function isPresent(): bool
    {
        try {
            $user = new CurrentUser();
            return $user->isAuthenticatedAdmin() && !$user->isMasqueradingAdmin();
        } catch (\Throwable) {
            return false;
        }
    }
}
