// A page as it looks on wide and narrow screens, light and dark.

const SIZES = [
  { width: 1400, height: 900 },
  { width: 390, height: 844 },
];

/**
 * Return for each screen and scheme how much wider the page is than the screen, and its
 * colours. With a folder, put a screenshot of each into it.
 */
export async function looks(page, folder, name) {
  const facts = [];
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const size of SIZES) {
      await page.setViewportSize(size);
      facts.push(
        await page.evaluate(() => ({
          over: document.documentElement.scrollWidth - innerWidth,
          dark: matchMedia("(prefers-color-scheme: dark)").matches,
          ink: getComputedStyle(document.body).color,
        })),
      );
      if (folder) await page.screenshot({ path: `${folder}/${name}-${size.width}-${colorScheme}.png` });
    }
  }
  return facts;
}
