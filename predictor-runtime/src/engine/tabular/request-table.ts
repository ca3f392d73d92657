/** The rows of a request as a table, and what a model tells of the requests that it takes. */
import { beside, type Cell, type Origin, type Table } from '../../formats/table.ts';
import type { TabularModel } from '../../formats/tabular-model.ts';
import { numbers } from '../../protocol/v2/elements.ts';
import { columnOf, isWholeTable, textOf } from '../../protocol/v2/tabular.ts';
import type { TabularSignature, Tensor, TensorMetadata } from '../../protocol/v2/types.ts';

const DEFAULT_INPUT = 'input-0';

/** Returns the origin of a whole request's table; undefined for a model that takes any number of columns. */
export function originOf({ features, columns: names }: TabularModel): Origin | undefined {
  return features > 0 ? { names } : undefined;
}

/** Returns what requests for a model may look like. */
export function signatureOf(model: TabularModel): TabularSignature {
  const { features, columns, joinsWords, textColumns = [], categories, spareColumns } = model;
  const textByName = categories?.textColumns;
  return { features, columns, joinsWords, textColumns, textByName, spareColumns };
}

/** Describes the inputs: one tensor of all columns; where some are text, and have names, one for each. */
export function inputsOf(model: TabularModel): TensorMetadata[] {
  const { features, columns, datatype, textColumns = [], spareColumns = [] } = model;
  if (textColumns.length === 0 || textColumns.length === features || columns === undefined) {
    const type = textColumns.length > 0 ? 'BYTES' : datatype;
    return [{ name: DEFAULT_INPUT, datatype: type, shape: [-1, features] }];
  }
  return columns.map((name, i) => ({
    name,
    datatype: textColumns.includes(i) ? 'BYTES' : datatype,
    shape: [-1, 1],
    ...(spareColumns.includes(i) && { optional: true }),
  }));
}

/**
 * Makes a table of a request, whose rows are one tensor or a tensor for each column.
 * @throws Error when a plugin gave too few columns.
 */
export function tableOf(inputs: readonly Tensor[], signature: TabularSignature): Table {
  const [first] = inputs as [Tensor];
  const rows = first.shape[0] as number;
  if (isWholeTable(inputs, signature)) {
    return { rows, width: first.shape[1] ?? 1, data: cellsOf(first) };
  }
  const { columns = [], spareColumns = [] } = signature;
  const byColumn = new Map(inputs.map((input) => [columnOf(input.name, signature), input]));
  return beside(
    rows,
    columns.map((column, i) => {
      if (spareColumns.includes(i)) {
        return { rows, width: 1, data: new Float64Array(rows).fill(Number.NaN) };
      }
      const given = byColumn.get(i);
      if (given === undefined) throw new Error(`column '${column}' is missing`);
      return { rows, width: 1, data: cellsOf(given) };
    }),
  );
}

function cellsOf(tensor: Tensor): Float64Array | readonly Cell[] {
  if (Array.isArray(tensor.data)) return tensor.data.map(textOf);
  // Float64Array.from would take the elements one by one.
  return new Float64Array(numbers(tensor));
}
