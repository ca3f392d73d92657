/** Identity of a revision as a value, which is formatted and parsed here and nowhere else. */

/** The parts that an InferenceService may have, in the order in which a request passes them. */
export const COMPONENTS = ['transformer', 'predictor', 'explainer'] as const;

/** Name of a component, as in the spec of an InferenceService. */
export type ComponentName = (typeof COMPONENTS)[number];

/** Reference to a revision: one immutable version of one component of one InferenceService. */
export interface RevisionRef {
  readonly namespace: string;
  /** Name of the InferenceService. */
  readonly service: string;
  readonly component: ComponentName;
  /** Counts from 1; a number is never used twice for a component. */
  readonly revision: number;
}

const NAME = new RegExp(`^(.+)-(${COMPONENTS.join('|')})-(\\d{5,})$`);

/**
 * Returns the name of a revision and of its Deployment, such as `iris-predictor-00001` (Knative's form). It is
 * unique in a namespace.
 */
export function revisionName({ service, component, revision }: RevisionRef): string {
  return `${service}-${component}-${String(revision).padStart(5, '0')}`;
}

/** Returns a revision's reference as text, `namespace/name`: unique in the cluster, and the key of maps. */
export function formatRevision(ref: RevisionRef): string {
  return `${ref.namespace}/${revisionName(ref)}`;
}

/** Returns the key, `namespace/name`, of the InferenceService that a revision belongs to. */
export function serviceKey({ namespace, service }: RevisionRef): string {
  return `${namespace}/${service}`;
}

/** Parses the name of a revision, as `revisionName` writes it; returns undefined for any other name. */
export function parseRevision(namespace: string, name: string): RevisionRef | undefined {
  const [, service, component, digits] = NAME.exec(name) ?? [];
  const revision = Number(digits);
  if (service === undefined || !Number.isSafeInteger(revision) || revision < 1) return undefined;
  const ref = { namespace, service, component: component as ComponentName, revision };
  // A number with more zeros in front is another name.
  return revisionName(ref) === name ? ref : undefined;
}

/** Says whether two references name one revision. */
export function sameRevision(a: RevisionRef, b: RevisionRef): boolean {
  return (
    a.revision === b.revision &&
    a.service === b.service &&
    a.namespace === b.namespace &&
    a.component === b.component
  );
}
