<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

use PhpParser\Node;
use PhpParser\NodeTraverser;
use PhpParser\NodeVisitorAbstract;
use PhpParser\Parser;
use PhpParser\ParserFactory;

require_once 'PhpParser/autoload.php';

/**
 * Finds what PHP 8.1 does not know: the machine that runs the tests has 8.2, and would accept it. What only 8.3 or
 * later knows, neither 8.2 nor the parser accepts.
 */
final class NewerSyntax extends NodeVisitorAbstract
{
    /** Functions and classes that came with 8.2 or later. */
    private const FUNCTIONS = [
        'curl_upkeep', 'ini_parse_quantity', 'memory_reset_peak_usage', 'mysqli_execute_query',
        'openssl_cipher_key_length', 'libxml_get_external_entity_loader', 'json_validate', 'mb_str_pad',
        'str_increment', 'str_decrement', 'stream_context_set_options', 'array_find', 'array_any', 'array_all',
        'mb_trim', 'mb_ucfirst',
    ];
    private const CLASSES = ['Random\Randomizer', 'Random\RandomException', 'Random\RandomError'];

    /** @var list<string> */
    private array $found = [];

    /** @return list<string> what is too new, with its line */
    public static function in(string $code): array
    {
        $visitor = new self();
        $traverser = new NodeTraverser();
        $traverser->addVisitor(new \PhpParser\NodeVisitor\NameResolver());
        $traverser->addVisitor($visitor);
        $traverser->traverse(self::parser()->parse($code) ?? []);
        return $visitor->found;
    }

    private static function parser(): Parser
    {
        return (new ParserFactory())->create(ParserFactory::ONLY_PHP7);
    }

    public function enterNode(Node $node)
    {
        match (true) {
            $node instanceof Node\Stmt\Class_ && $node->isReadonly() => $this->find($node, 'a readonly class'),
            $node instanceof Node\Stmt\Trait_ => $this->inTrait($node),
            $node instanceof Node\UnionType => $this->inUnion($node),
            $node instanceof Node\FunctionLike => $this->inType($node, $node->getReturnType()),
            $node instanceof Node\Param, $node instanceof Node\Stmt\Property => $this->inType($node, $node->type),
            $node instanceof Node\Expr\FuncCall => $this->inCall($node),
            $node instanceof Node\Name\FullyQualified && in_array($node->toString(), self::CLASSES, true)
                => $this->find($node, $node->toString()),
            default => null,
        };
        $this->inConstant($node);
        return null;
    }

    private function inTrait(Node\Stmt\Trait_ $trait): void
    {
        foreach ($trait->stmts as $statement) {
            if ($statement instanceof Node\Stmt\ClassConst) {
                $this->find($statement, 'a constant in a trait');
            }
        }
    }

    private function inUnion(Node\UnionType $union): void
    {
        foreach ($union->types as $type) {
            if ($type instanceof Node\IntersectionType) {
                $this->find($union, 'a type in disjunctive normal form');
            }
            if ($type instanceof Node\Identifier && $type->toLowerString() === 'true') {
                $this->find($union, 'the type true');
            }
        }
    }

    /** Alone, `null`, `false` and `true` are types from 8.2 on. */
    private function inType(Node $node, ?Node $type): void
    {
        if ($type instanceof Node\NullableType) {
            $type = $type->type;
        }
        $name = $type instanceof Node\Identifier || $type instanceof Node\Name ? strtolower($type->toString()) : '';
        if (in_array($name, ['null', 'false', 'true'], true)) {
            $this->find($node, "the type $name alone");
        }
    }

    private function inCall(Node\Expr\FuncCall $call): void
    {
        if ($call->name instanceof Node\Name && in_array($call->name->toLowerString(), self::FUNCTIONS, true)) {
            $this->find($call, $call->name->toString() . '()');
        }
    }

    /** From 8.2 on a constant may fetch the property of an enum's case. */
    private function inConstant(Node $node): void
    {
        $value = match (true) {
            $node instanceof Node\Const_ => $node->value,
            $node instanceof Node\Param, $node instanceof Node\Stmt\PropertyProperty => $node->default,
            default => null,
        };
        if ($value === null) {
            return;
        }
        $finder = new \PhpParser\NodeFinder();
        if ($finder->findFirstInstanceOf([$value], Node\Expr\PropertyFetch::class) !== null) {
            $this->find($node, 'a property in a constant expression');
        }
    }

    private function find(Node $node, string $what): void
    {
        $this->found[] = $what . ' in line ' . $node->getStartLine();
    }
}
