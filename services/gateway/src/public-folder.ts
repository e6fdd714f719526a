/** The page's files; beside `src` and, after a build, beside `dist`. */
export const PUBLIC_FOLDER = new URL('../public/', import.meta.url);
