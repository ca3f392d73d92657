/**
 * The plan of what an InferenceService needs now: a row of builders over its components. Pure, so that one
 * input YAML and one output YAML show a behaviour (operator/test/golden).
 */

import { components } from './component.ts';
import { planComponent } from './component-plan.ts';
import { disruptionBudgets } from './disruption-budget.ts';
import { readyEvents } from './events.ts';
import type { Plan, PlanInput } from './input.ts';
import { services } from './service.ts';
import { endedStandIns } from './stand-in.ts';
import { status } from './status.ts';

/** Plans everything that an InferenceService needs now. */
export function plan(input: PlanInput): Plan {
  const { parent, related, config } = input;
  const plans = components(parent).map((component) => planComponent(component, input));
  const next = status(input, plans);
  const deployments = plans.flatMap((each) => each.deployments);
  const ended = endedStandIns(input.pods, deployments);
  return {
    children: [
      ...deployments,
      ...plans.flatMap((each) => each.scalers),
      ...plans.flatMap(({ component }) => disruptionBudgets(component)),
      ...services({ isvc: parent, routerAddresses: related.routerAddresses, config }),
    ],
    ...(ended.length === 0 ? {} : { ended }),
    status: next,
    events: readyEvents(parent.status, next),
  };
}
