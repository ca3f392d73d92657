/** Computes how much each feature matters to an estimator: `coef_`, or `feature_importances_`. */
import type { Fitted } from './fitted.ts';

/** Reads the importances of an estimator's features. @throws UnsupportedModelError when they are not read here. */
export function readImportances(fitted: Fitted, order: number): Float64Array {
  if (fitted.has('coef_')) return coefficients(fitted, order);
  if (fitted.has('tree_')) return treeImportances(fitted, true);
  if (!fitted.has('estimators_')) return fitted.refuse('importances of another kind');
  return ensembleImportances(fitted);
}

/** Returns the norm of each feature's coefficients. */
function coefficients(fitted: Fitted, order: number): Float64Array {
  const { shape } = fitted.array('coef_');
  const weights = fitted.numbers('coef_');
  const width = shape[shape.length - 1] as number;
  if (shape.length === 1) return weights.map(Math.abs);
  return Float64Array.from({ length: width }, (_, feature) => {
    let sum = 0;
    for (let i = feature; i < weights.length; i += width) {
      sum += Math.abs(weights[i] as number) ** order;
    }
    return sum ** (1 / order);
  });
}

/** Returns the importances of an ensemble's trees: their mean, which has the sum 1. */
function ensembleImportances(fitted: Fitted): Float64Array {
  const isBoosting = fitted.name.startsWith('GradientBoosting');
  const isWeighted = fitted.name.startsWith('AdaBoost');
  if (!isBoosting && !isWeighted && !/^(RandomForest|ExtraTrees)/.test(fitted.name)) {
    return fitted.refuse('importances of another kind');
  }
  const members = fitted.list('estimators_').map((tree) => fitted.within(tree));
  const weights = isWeighted ? fitted.numbers('estimator_weights_') : undefined;
  const sums = new Float64Array(fitted.number('n_features_in_'));
  members.forEach((tree, member) => {
    treeImportances(tree, !isBoosting).forEach((one, i) => {
      sums[i] = (sums[i] as number) + one * (weights?.[member] ?? 1);
    });
  });
  return shares(sums);
}

/** Divides values by their sum, if there is one. */
function shares(values: Float64Array): Float64Array {
  const sum = values.reduce((total, value) => total + value, 0);
  return sum === 0 ? values : values.map((value) => value / sum);
}

/** Returns how much the splits on each feature lower a tree's impurity. */
function treeImportances(fitted: Fitted, isNormalized: boolean): Float64Array {
  const grown = fitted.within(fitted.get('tree_'));
  const fields = grown.array('nodes').fields;
  const column = (name: string) => fields?.get(name)?.data as Float64Array;
  const [left, right, feature] = [column('left_child'), column('right_child'), column('feature')];
  const [impurity, weight] = [column('impurity'), column('weighted_n_node_samples')];
  const mass = (node: number) => (weight[node] as number) * (impurity[node] as number);
  const sums = new Float64Array(fitted.number('n_features_in_'));
  left.forEach((child, node) => {
    if (child === -1) return;
    const at = feature[node] as number;
    sums[at] = (sums[at] as number) + mass(node) - mass(child) - mass(right[node] as number);
  });
  const all = sums.map((sum) => sum / (weight[0] as number));
  return isNormalized ? shares(all) : all;
}
