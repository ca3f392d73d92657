/**
 * The part of Go's text/template that ServingRuntimes and the domain template use: `{{.Name}}`,
 * `{{ .Labels.key }}`, `{{ index .Annotations "key" }}`. KServe: ReplacePlaceholders.
 */

/** Values that a template may name: texts, or maps of texts. */
export type TemplateData = Readonly<Record<string, string | Readonly<Record<string, string>>>>;

/** Error of a template: an action that is not known, or a key that is absent. */
export class TemplateError extends Error {}

const ACTION = /\{\{-?\s*(.*?)\s*-?\}\}/g;
const FIELD = /^\.(\w+)(?:\.([\w-]+))?$/;
const INDEX = /^index\s+\.(\w+)\s+"([^"]+)"$/;

/** Renders a text. @throws TemplateError when an action is not known or its key is absent. */
export function renderTemplate(text: string, data: TemplateData): string {
  return text.replace(ACTION, (action, expression: string) => {
    const [, field = '', key] = FIELD.exec(expression) ?? INDEX.exec(expression) ?? [];
    const value = data[field];
    const result = key === undefined || typeof value === 'string' ? value : value?.[key];
    if (typeof result !== 'string') throw new TemplateError(`${action} has no value`);
    return result;
  });
}

/** Renders every string of a JSON value; the rest is left as it is. */
export function renderTemplates<T>(value: T, data: TemplateData): T {
  if (typeof value === 'string') return renderTemplate(value, data) as T;
  if (Array.isArray(value)) return value.map((item) => renderTemplates(item, data)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, renderTemplates(item, data)]),
  ) as T;
}
