<?php

/** Who is signed in to WHMCS, after its public documentation. */

declare(strict_types=1);

namespace WHMCS\Authentication;

if (!class_exists(CurrentUser::class)) {
    final class CurrentUser
    {
        private static bool $admin = false;
        private static bool $masquerading = false;

        public static function nobody(): void
        {
            self::$admin = self::$masquerading = false;
        }

        public static function staff(): void
        {
            [self::$admin, self::$masquerading] = [true, false];
        }

        public static function staffInAClientsPlace(): void
        {
            self::$admin = self::$masquerading = true;
        }

        public function isAuthenticatedAdmin(): bool
        {
            return self::$admin;
        }

        public function isMasqueradingAdmin(): bool
        {
            return self::$masquerading;
        }
    }
}
