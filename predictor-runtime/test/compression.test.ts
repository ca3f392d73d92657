/** Compressed files: what they hold is read up to a limit, and what is cut off is told. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { decompressed } from '../src/formats/files/compression.ts';

interface CompressedFile {
  readonly compression: string;
  readonly kind: 'text' | 'members' | 'zeros';
  readonly file: string;
}

/** Files that Python's modules and lz4 wrote; see frameworks/compressions.py. */
const { text, files } = JSON.parse(
  readFileSync(new URL('golden/compressed.json', import.meta.url), 'utf8'),
) as { readonly text: { readonly count: number }; readonly files: readonly CompressedFile[] };

const TEXT = Buffer.from(
  Array.from({ length: text.count }, (_, i) => `${(i * i) % 1009} `).join(''),
);
const ZEROS = Buffer.alloc(2 * 2 ** 20);
const bytesOf = ({ file }: CompressedFile) => Buffer.from(file, 'base64');

describe('compressed files', () => {
  for (const [i, file] of files.entries()) {
    const { compression, kind } = file;
    const held = kind === 'zeros' ? ZEROS : TEXT;
    describe(`${i}: ${kind} by ${compression}`, () => {
      it('are read', () => {
        expect(decompressed(bytesOf(file)).equals(held)).to.equal(true);
      });

      it('are read when they are as large as the limit, and refused when they are larger', () => {
        expect(decompressed(bytesOf(file), held.length)).to.have.length(held.length);
        for (const limit of [1000, held.length >> 1, held.length - 1]) {
          expect(() => decompressed(bytesOf(file), limit)).to.throw(
            `it is compressed with ${compression}, and holds more than ${limit} bytes: save it without compression`,
          );
        }
      });

      it('are refused when they are cut off, wherever that is', () => {
        const whole = bytesOf(file);
        const step = Math.max(1, whole.length >> 7);
        const cuts = Array.from({ length: Math.ceil(whole.length / step) }, (_, cut) => cut * step);
        for (const cut of [
          ...cuts,
          ...Array.from({ length: 40 }, (_, back) => whole.length - 1 - back),
        ]) {
          const read = cut < 7 ? undefined : kept(whole.subarray(0, cut));
          // Cut between two members, a file is whole.
          if (read !== undefined && !TEXT.subarray(0, 70_000).equals(read)) {
            expect.fail(`cut at ${cut} of ${whole.length}, it is read as ${read.length} bytes`);
          }
        }
      });
    });

    function kept(bytes: Buffer): Buffer | undefined {
      try {
        return decompressed(bytes);
      } catch (error) {
        expect(String(error)).to.match(
          new RegExp(`^Error: it is compressed with ${compression}, and cut off or broken: .`),
        );
        return undefined;
      }
    }
  }

  it('are refused when something else follows', () => {
    for (const file of files) {
      if (file.compression === 'zlib' || file.compression === 'gzip') continue;
      const longer = Buffer.concat([bytesOf(file), Buffer.from('something')]);
      expect(() => decompressed(longer), file.compression).to.throw('cut off or broken: ');
    }
  });
});
