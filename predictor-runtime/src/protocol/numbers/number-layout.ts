/**
 * The memory of the number kernel, in bytes. TypeScript fills it and AssemblyScript reads it: both compile this file,
 * so it has plain numbers only.
 */

/** Address of a byte that stays zero. A number that is not read "ends" there: no separator follows it. */
export const UNREAD_AT = 0;
/** Address of a 32-bit word, in which `read` leaves the address that follows the last number it wrote. */
export const END_AT = 8;

/** Largest number of digits that a number is read with: 10^19 is below 2^64. */
export const MAX_DIGITS = 19;
/** Largest number of digits that a whole number is read with. All of these numbers are doubles. */
export const MAX_WHOLE_DIGITS = 15;
/** Largest exponent of a power of ten that is a double itself. */
export const MAX_EXACT_DECIMALS = 22;
/** Largest number of decimals that a number is read with; the exponent `e-3` counts as three of them. */
export const MAX_DECIMALS = 99;

/** Address of the powers of ten that are doubles: 10^0 to 10^22. */
export const POWERS_AT = 16;
/** Address of the table that `scale` reads, which has an entry for each number of decimals. */
export const SCALES_AT = POWERS_AT + 8 * (MAX_EXACT_DECIMALS + 1);
/** Size of an entry: two words of the reciprocal of 10^decimals, and one of the exponent that goes with it. */
export const SCALE_BYTES = 24;
/** First address that is free after the tables. */
export const TABLES_END = SCALES_AT + SCALE_BYTES * (MAX_DECIMALS + 1);
