/** The locale that models with StringNormalizer ask for, as the image has it: another name for C.UTF-8. */
import { existsSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SYSTEM = '/usr/lib/locale';

/** Makes the locale known to this process and to those it starts, where Linux has none of that name. */
export function provideLocale(): void {
  if (!existsSync(join(SYSTEM, 'C.utf8')) || existsSync(join(SYSTEM, 'en_US.utf8'))) return;
  const dir = mkdtempSync(join(tmpdir(), 'wherry-locale-'));
  symlinkSync(join(SYSTEM, 'C.utf8'), join(dir, 'en_US.utf8'));
  process.env.LOCPATH = dir;
}
