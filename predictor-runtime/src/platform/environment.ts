/** The variables of a process's environment, as what reads them is given them. */
export type Env = Readonly<Record<string, string | undefined>>;
