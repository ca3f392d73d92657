/** The variables of a process's environment. Whoever reads them is given them as an argument. */
export type Env = Readonly<Record<string, string | undefined>>;
