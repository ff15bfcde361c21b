<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Opterius;

/** What mends a difference: a command of WHMCS's own API, which calls the module as its button in the service does. */
enum Mend: string
{
    case Create = 'create';
    case Terminate = 'terminate';
    case ChangePackage = 'change-package';
    case Suspend = 'suspend';
    case Unsuspend = 'unsuspend';
    case Reconcile = 'reconcile';

    public function label(): string
    {
        return match ($this) {
            self::Create => 'Create',
            self::Terminate => 'Terminate',
            self::ChangePackage => 'Change Package',
            self::Suspend => 'Suspend',
            self::Unsuspend => 'Unsuspend',
            self::Reconcile => 'Reconcile',
        };
    }

    public function command(): string
    {
        return match ($this) {
            self::Create => 'ModuleCreate',
            self::Terminate => 'ModuleTerminate',
            self::ChangePackage => 'ModuleChangePackage',
            self::Suspend => 'ModuleSuspend',
            self::Unsuspend => 'ModuleUnsuspend',
            self::Reconcile => 'ModuleCustom',
        };
    }

    /** @return array<string, string> what the command needs besides the service */
    public function options(): array
    {
        return $this === self::Reconcile ? ['func_name' => 'reconcile'] : [];
    }
}
