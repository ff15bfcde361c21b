<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** What the module offers to WHMCS, in the shapes that WHMCS expects. Nothing but the package loader ever throws. */
final class Module
{
    public const VERSION = '0.1.0';

    /** Seconds for a create, all requests and pauses together: web servers in front of WHMCS often give up at 30. */
    private const CREATE_BUDGET = 24.0;

    /** Seconds for the buttons and fields that somebody sits and waits for. */
    private const QUESTION_BUDGET = 15.0;

    public static function metaData(): array
    {
        return [
            'DisplayName' => 'Opterius',
            'APIVersion' => '1.1',
            'RequiresServer' => true,
            'DefaultSSLPort' => (string) Address::DEFAULT_PORT,
        ];
    }

    /**
     * WHMCS stores the options by their position: append new ones, never reorder. With a loader WHMCS renders the text
     * field as a drop-down; in Advanced Mode the same field can be typed into.
     */
    public static function configOptions(): array
    {
        return [
            'Package Name' => [
                'Type' => 'text',
                'Size' => '40',
                'Description' => 'The Opterius package. If typed: its exact name, capitals count.',
                'Loader' => 'opterius_PackageLoader',
                'SimpleMode' => true,
            ],
        ];
    }

    /**
     * @return array<string, string> package id to label
     *
     * @throws Refusal with the sentence to show
     */
    public static function packages(array $params): array
    {
        // A product whose server group is empty is no failure: the form should say what to do and stay usable.
        if (!(new Params($params))->hasServer()) {
            return ['' => 'Choose a server group with an Opterius server first'];
        }
        return Action::perform(
            'PackageLoader',
            $params,
            self::QUESTION_BUDGET,
            static fn (Action $action): array => (new Packages($action))->labels(),
            static fn (string $sentence) => throw new Refusal($sentence),
        );
    }

    /** @return array{success: bool, error: string} */
    public static function testConnection(array $params, float $budget = self::QUESTION_BUDGET): array
    {
        return Action::perform(
            'TestConnection',
            $params,
            $budget,
            static function (Action $action): array {
                (new TestConnection($action))->run();
                return ['success' => true, 'error' => ''];
            },
            static fn (string $sentence): array => ['success' => false, 'error' => $sentence],
        );
    }

    /** @return string the literal 'success', or a sentence for the staff */
    public static function createAccount(array $params, float $budget = self::CREATE_BUDGET): string
    {
        return Action::perform(
            'CreateAccount',
            $params,
            $budget,
            static function (Action $action): string {
                (new CreateAccount($action))->run();
                return 'success';
            },
            static fn (string $sentence): string => $sentence,
        );
    }
}
