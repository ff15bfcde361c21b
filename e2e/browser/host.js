// The server that is tried: what e2e/tests/browser.rs says of it.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect } from "@playwright/test";

function told(name) {
    const value = process.env[name];
    if (!value) throw new Error(`${name} is not set: e2e/tests/browser.rs starts these tests`);
    return value;
}

export const panel = told("OPTERIUS_PANEL");
export const site = told("OPTERIUS_SITE_ADDRESS");
export const password = told("OPTERIUS_ADMIN_PASSWORD");
// Ids of what was made for the pages, by name.
export const made = JSON.parse(told("OPTERIUS_MADE"));

// Runs a command on the server as root.
export function server(...command) {
    return execFileSync(told("OPTERIUS_SANDBOX"), ["run", told("OPTERIUS_SERVER"), ...command], { encoding: "utf8" });
}

export async function signIn(page) {
    await page.goto("/enter");
    await page.getByLabel("Name").fill("admin");
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page).toHaveURL("/");
}

// Everything that the page says went wrong, from now on.
export function complaints(page) {
    const found = [];
    page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") found.push(`${page.url()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => found.push(`${page.url()}: ${error}`));
    return found;
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// What axe finds on the page. It comes in through the debugger, so that the page's own policy stays as it is.
export async function inaccessible(page) {
    const debug = await page.context().newCDPSession(page);
    const run = async (expression) => {
        const answer = await debug.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
        if (answer.exceptionDetails) throw new Error(answer.exceptionDetails.exception?.description ?? answer.exceptionDetails.text);
        return answer.result.value;
    };
    await run(`${axe};0`);
    const found = await run(
        "axe.run({ resultTypes: ['violations'] }).then((result) => result.violations.map((one) => `${one.impact} ${one.id}: ${one.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`))",
    );
    await debug.detach();
    return found;
}
