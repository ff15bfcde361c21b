// Every page, light and dark, wide and narrow: it opens, nothing is wrong with it, and a picture of it is kept.
import { readFileSync } from "node:fs";
import { expect, test } from "@playwright/test";
import { complaints, inaccessible, made, signIn } from "./host.js";

const { pages } = JSON.parse(readFileSync(new URL("pages.json", import.meta.url)));
const pictures = process.env.OPTERIUS_SCREENSHOTS ?? new URL("screenshots", import.meta.url).pathname;
const wide = { width: 1280, height: 900 };
const narrow = { width: 360, height: 800 };
const path = ({ route, of }) => route.replace("{id}", () => made[of] ?? expect(made).toHaveProperty(of));

for (const [look, colorScheme, viewport] of [
    ["light-wide", "light", wide],
    ["dark-wide", "dark", wide],
    ["light-narrow", "light", narrow],
    ["dark-narrow", "dark", narrow],
]) {
    test.describe(look, () => {
        test.use({ colorScheme, viewport });

        test("every page opens, and nothing is wrong with it", async ({ page }) => {
            test.setTimeout(300_000);
            const said = complaints(page);
            let signedIn = false;
            for (const one of pages) {
                if (!one.open && !signedIn) {
                    await signIn(page);
                    signedIn = true;
                }
                await test.step(one.name, async () => {
                    const answer = await page.goto(path(one));
                    expect(answer.status(), one.name).toBe(200);
                    const policy = answer.headers()["content-security-policy"];
                    expect(policy).toMatch(/^default-src 'none'/);
                    expect(policy).not.toMatch(/unsafe/);
                    await page.screenshot({ path: `${pictures}/${one.name}-${look}.png`, fullPage: true });
                    expect.soft(await inaccessible(page), `${one.name}: axe`).toEqual([]);
                    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
                    expect.soft(beyond, `${one.name} is wider than the window`).toBeLessThanOrEqual(0);
                });
            }
            expect(said).toEqual([]);
        });
    });
}

test("everything on every page can be reached with the keyboard, and shows that it has", async ({ page }) => {
    test.setTimeout(300_000);
    await signIn(page);
    // A list that follows what happens would be drawn anew meanwhile.
    await page.route("**/*", (route) => (route.request().headers()["hx-request"] ? route.abort() : route.continue()));
    for (const one of pages.filter((one) => !one.open)) {
        await page.goto(path(one));
        const count = await page.evaluate(() => {
            const shown = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled;
            const all = document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']");
            // Of a group of radio buttons the keyboard reaches the chosen one, and the arrows the rest.
            window.missing = new Set([...all].filter((element) => shown(element) && element.type !== "radio"));
            window.unseen = new Set();
            document.addEventListener("focusin", ({ target }) => {
                const style = getComputedStyle(target);
                if (style.outlineStyle === "none" && style.boxShadow === "none") window.unseen.add(target);
                window.missing.delete(target);
            });
            document.activeElement?.blur();
            return window.missing.size;
        });
        for (let pressed = 0; pressed < count + 10; pressed += 1) await page.keyboard.press("Tab");
        const [missing, unseen] = await page.evaluate(() => [window.missing, window.unseen].map((set) => [...set].map((element) => element.outerHTML.slice(0, 120))));
        expect.soft(missing, `${one.name}: out of the keyboard's reach`).toEqual([]);
        expect.soft(unseen, `${one.name}: focus that cannot be seen`).toEqual([]);
    }
});

test("every link of every page leads somewhere", async ({ page }) => {
    await signIn(page);
    const links = new Map();
    for (const one of pages.filter((one) => !one.open)) {
        await page.goto(path(one));
        const found = await page.evaluate(() => [...document.querySelectorAll("a[href]")].map((a) => a.href).filter((href) => new URL(href).origin === location.origin));
        for (const href of found) links.set(href.replace(/#.*/, ""), one.name);
    }
    expect(links.size).toBeGreaterThan(20);
    for (const [href, name] of links) {
        const answer = await page.request.get(href);
        expect.soft(answer.status(), `${href}, linked from ${name}`).toBe(200);
    }
});
