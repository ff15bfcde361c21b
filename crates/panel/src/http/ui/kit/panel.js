// What the pages do in the browser beside htmx: the theme, copying, charts, and a question before what cannot be undone. Loaded in the head, so that the theme is
// there before anything is drawn.
"use strict";

(() => {
    const root = document.documentElement;
    const dark = window.matchMedia("(prefers-color-scheme: dark)");

    function stored() {
        try {
            return localStorage.getItem("theme");
        } catch {
            return null;
        }
    }

    function draw() {
        const theme = stored() || (dark.matches ? "dark" : "light");
        root.setAttribute("data-bs-theme", theme);
    }

    draw();
    dark.addEventListener("change", draw);

    document.addEventListener("click", (event) => {
        const button = event.target.closest("[data-theme-toggle], [data-copy]");
        if (!button) {
            return;
        }
        if (button.hasAttribute("data-theme-toggle")) {
            const next = root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
            try {
                localStorage.setItem("theme", next);
            } catch {
                // Only this page then.
            }
            root.setAttribute("data-bs-theme", next);
            document.dispatchEvent(new CustomEvent("themechange"));
        } else {
            const from = document.getElementById(button.getAttribute("data-copy"));
            navigator.clipboard.writeText(from.value || from.textContent).then(() => {
                button.setAttribute("data-copied", "");
                const said = button.querySelector("[data-said]");
                if (said) {
                    said.textContent = said.getAttribute("data-said");
                }
            });
        }
    });

    // A form that cannot be undone is sent once what it asks for was typed.
    document.addEventListener("input", (event) => {
        const field = event.target.closest("[data-must-equal]");
        if (field) {
            field.form.querySelector("[type=submit]").disabled = field.value !== field.getAttribute("data-must-equal");
        }
    });

    // Charts: the data lie beside them, as JSON.
    function charts() {
        document.querySelectorAll("[data-chart]").forEach((place) => {
            if (place.uplot || typeof uPlot === "undefined") {
                return;
            }
            const { x, series, unit, zone } = JSON.parse(document.getElementById(place.getAttribute("data-chart")).textContent);
            const style = getComputedStyle(root);
            const colours = (place.dataset.colours || "primary green orange purple cyan red yellow teal").split(" ");
            const ink = root.getAttribute("data-bs-theme") === "dark" ? "#b8bcc2" : "#5b6472";
            // A grey that both themes bear; the theme's own colour is a formula that a canvas does not take.
            const grid = { stroke: "rgba(128, 128, 128, 0.25)", width: 1 };
            const axis = { stroke: ink, grid, ticks: grid };
            place.uplot = new uPlot(
                {
                    width: place.clientWidth,
                    height: 224,
                    cursor: { y: false },
                    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
                    legend: { live: true },
                    axes: [axis, { ...axis, size: 60, values: (_, values) => values.map((value) => `${value}${unit}`) }],
                    series: [
                        {},
                        ...series.map((one, at) => ({
                            label: one.label,
                            stroke: style.getPropertyValue(`--tblr-${colours[at % colours.length]}`).trim() || "#066fd1",
                            width: 2,
                            points: { show: x.length < 60 },
                        })),
                    ],
                },
                [x, ...series.map((one) => one.values)],
                place,
            );
        });
    }

    function redraw() {
        document.querySelectorAll("[data-chart]").forEach((place) => {
            if (place.uplot) {
                place.uplot.destroy();
                place.uplot = undefined;
            }
        });
        charts();
    }

    document.addEventListener("DOMContentLoaded", charts);
    document.addEventListener("htmx:afterSettle", charts);
    document.addEventListener("themechange", redraw);
    window.addEventListener("resize", () => {
        document.querySelectorAll("[data-chart]").forEach((place) => {
            if (place.uplot) {
                place.uplot.setSize({ width: place.clientWidth, height: 224 });
            }
        });
    });
})();
