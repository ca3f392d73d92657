"""Fits small models of the estimators that people save most, and writes them with rows and what they answer.

    write.py FILE

Run it with each release that is to be held: its cases go to FILE, one JSON object a line: {about, name, file (base64), rows, outputs},
or {about, name, file, refused} of those that are refused here.
"""
import base64
import io
import json
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import sklearn
import sklearn.calibration as ca
import sklearn.cluster as cl
import sklearn.compose as co
import sklearn.covariance as cv
import sklearn.decomposition as de
import sklearn.discriminant_analysis as da
import sklearn.dummy as du
import sklearn.ensemble as en
import sklearn.feature_extraction as fe
import sklearn.feature_extraction.text as tx
import sklearn.feature_selection as fs
import sklearn.gaussian_process as gp
import sklearn.isotonic as iso
import sklearn.kernel_approximation as ka
import sklearn.linear_model as lm
import sklearn.manifold as mf
import sklearn.mixture as mx
import sklearn.model_selection as ms
import sklearn.multiclass as mc
import sklearn.multioutput as mo
import sklearn.naive_bayes as nb
import sklearn.neighbors as ne
import sklearn.neural_network as nn
import sklearn.pipeline as pi
import sklearn.preprocessing as pp
import sklearn.semi_supervised as se
import sklearn.svm as svm
import sklearn.tree as tr
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
import sklearn.impute as im

warnings.filterwarnings("ignore")
RELEASE = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
r = np.random.RandomState(7)
X = np.round(r.randn(80, 4) * [1, 3, 0.5, 10] + [0, 1, 0, 5], 3)
signal = X[:, 0] - 0.4 * X[:, 1] + 0.1 * X[:, 3] + 0.3 * r.randn(80)
TWO = (signal > np.median(signal)).astype(int)
THREE = np.searchsorted(np.quantile(signal, [0.33, 0.66]), signal)
TEXTS = np.array(["ja", "nein", "東京"])[THREE]
VALUE = np.round(signal * 3 + 1, 3)
POSITIVE = np.exp(VALUE / 4)
VALUES = np.column_stack([VALUE, -VALUE + X[:, 2]])
HOLES = X.copy()
HOLES[r.rand(80, 4) < 0.15] = np.nan
COUNTS = np.abs(np.round(X)) + 1
CITIES = np.array(["Oslo", "Rome", "Kyiv", "Lima", "Bonn"])[np.minimum(r.geometric(0.45, 80) - 1, 4)]
SIZES = np.array(["S", "M", "L"])[r.randint(0, 3, 80)]
MIXED = pd.DataFrame({"city": CITIES, "size": SIZES, "age": X[:, 0], "pay": X[:, 3]}).astype({"city": object, "size": object})
CODES = np.column_stack([r.randint(0, 6, 80), X[:, 0], r.randint(0, 3, 80), X[:, 1]]).astype(float)
DOCS = ["red apple", "green apple pie", "red car", "fast green car", "slow car", "apple tart"] * 5
FORMS = ("predict", "predict_proba", "decision_function", "transform")
cases = []


def plain(value):
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return None if isinstance(value, float) and np.isnan(value) else value


def dense(value):
    value = value.toarray() if hasattr(value, "toarray") else np.asarray(value)
    return {"shape": list(value.shape), "data": [plain(one) for one in value.ravel().tolist()]}


def refuse(model, X, y, message):
    """Fits a model, and keeps the message by which it is refused here when it is loaded."""
    file = io.BytesIO()
    joblib.dump(model.fit(X, y), file, compress=3)
    cases.append({"name": type(model).__name__, "about": str(model), "file": base64.b64encode(file.getvalue()).decode(), "refused": message})


def add(model, X, y=None, rows=None, forms=FORMS, compress=3):
    """Fits a model, and keeps what it answers to rows: the first ones of X, moved a little, unless they are given."""
    model.fit(X) if y is None else model.fit(X, y)
    if rows is None:
        rows = X[:10] if isinstance(X, (pd.DataFrame, list)) else X[:10] * 1.01
    outputs = {}
    for form in forms:
        if form == "transform" and hasattr(model, "predict") and not hasattr(model, "inertia_") and not hasattr(model, "support_"):
            continue
        if hasattr(model, form):
            value = getattr(model, form)(rows)
            if not isinstance(value, list):
                outputs[form] = dense(value)
    file = io.BytesIO()
    joblib.dump(model, file, compress=compress)
    table = [[row] for row in rows] if isinstance(rows, list) else np.asarray(rows, dtype=object if isinstance(rows, pd.DataFrame) else None).tolist()
    cases.append({
        "name": type(model).__name__, "about": str(model).replace("\n", " ")[:200],
        "file": base64.b64encode(file.getvalue()).decode(),
        "rows": [[plain(cell) for cell in row] for row in table], "outputs": outputs,
    })


tree, logistic, ridge = tr.DecisionTreeClassifier(max_depth=3, random_state=0), lm.LogisticRegression(max_iter=500), lm.Ridge()
stump = tr.DecisionTreeRegressor(max_depth=2, random_state=0)

# What models are made of most of all.
for model in (logistic, lm.SGDClassifier(random_state=0), svm.LinearSVC(), svm.SVC(), ne.KNeighborsClassifier(), nb.GaussianNB(), tree,
              en.RandomForestClassifier(5, max_depth=3, random_state=0), en.ExtraTreesClassifier(5, max_depth=3, random_state=0),
              en.GradientBoostingClassifier(n_estimators=5, random_state=0), nn.MLPClassifier(hidden_layer_sizes=(5,), max_iter=40, random_state=0),
              da.LinearDiscriminantAnalysis(), da.QuadraticDiscriminantAnalysis(), en.HistGradientBoostingClassifier(max_iter=5), nb.BernoulliNB()):
    add(model, X, TEXTS)
add(nb.MultinomialNB(), COUNTS, TWO)
add(da.QuadraticDiscriminantAnalysis(), X, TWO)
for model in (lm.LinearRegression(), ridge, lm.Lasso(0.1), lm.ElasticNet(0.1), lm.SGDRegressor(random_state=0), svm.SVR(), svm.LinearSVR(),
              ne.KNeighborsRegressor(), stump, en.RandomForestRegressor(5, max_depth=3, random_state=0), en.ExtraTreesRegressor(5, max_depth=3, random_state=0),
              en.GradientBoostingRegressor(n_estimators=5, random_state=0), en.HistGradientBoostingRegressor(max_iter=5),
              nn.MLPRegressor(hidden_layer_sizes=(5,), max_iter=40, random_state=0), lm.HuberRegressor(), lm.BayesianRidge()):
    add(model, X, VALUE)
add(cl.KMeans(3, n_init=1, random_state=0), X)
for model in (de.PCA(2), de.TruncatedSVD(2, random_state=0), pp.StandardScaler(), pp.MinMaxScaler(), pp.MaxAbsScaler(), pp.RobustScaler(), pp.Normalizer(),
              pp.Binarizer(), pp.PolynomialFeatures()):
    add(model, X)
add(pi.make_pipeline(tx.TfidfVectorizer(), logistic), DOCS, [0, 0, 1, 1, 1, 0] * 5)
add(pi.make_pipeline(tx.CountVectorizer(), nb.MultinomialNB()), DOCS, [0, 0, 1, 1, 1, 0] * 5)

# Searches.
add(ms.GridSearchCV(logistic, {"C": [0.1, 1]}, cv=2), X, TEXTS)
add(ms.GridSearchCV(pi.make_pipeline(pp.StandardScaler(), svm.SVC()), {"svc__kernel": ["linear", "rbf"]}, cv=2, scoring="accuracy"), X, TWO)
from scipy.stats import loguniform, randint, uniform  # noqa: E402
add(ms.RandomizedSearchCV(ridge, {"alpha": loguniform(0.1, 10)}, n_iter=2, cv=2, random_state=0), X, VALUE)
add(ms.RandomizedSearchCV(tree, {"max_depth": randint(1, 4), "ccp_alpha": uniform(0, 0.01)}, n_iter=2, cv=2, random_state=0), X, TWO)

# Calibration.
for method in ("sigmoid", "isotonic") + (("temperature",) if RELEASE >= (1, 8) else ()):
    add(ca.CalibratedClassifierCV(svm.LinearSVC(), method=method, cv=2), X, TEXTS)
    add(ca.CalibratedClassifierCV(nb.GaussianNB(), method=method, cv=2), X, TWO)
    add(ca.CalibratedClassifierCV(tree, method=method, cv=2, ensemble=False), X, THREE)
add(iso.IsotonicRegression(out_of_bounds="clip"), X[:, :1], VALUE, rows=np.array([[-9.0], [0.1], [0.55], [9.0]]))

# Votes and stacks.
three = [("l", logistic), ("t", tree), ("n", nb.GaussianNB())]
add(en.VotingClassifier(three), X, TEXTS)
add(en.VotingClassifier(three, voting="soft", weights=[1, 2, 0.5]), X, TWO)
add(en.VotingClassifier(three + [("d", "drop")], weights=[3, 1, 1, 9]), X, THREE + 5)
add(en.VotingRegressor([("r", ridge), ("s", stump)], weights=[1, 3]), X, VALUE)
add(en.StackingClassifier(three, final_estimator=logistic, cv=2), X, TEXTS)
add(en.StackingClassifier(three[:2] + [("v", svm.LinearSVC())], final_estimator=tree, cv=2, passthrough=True), X, TWO)
add(en.StackingClassifier(three, final_estimator=logistic, cv=2, stack_method="predict"), X, TEXTS)
add(en.StackingRegressor([("r", ridge), ("s", stump)], final_estimator=lm.LinearRegression(), cv=2, passthrough=True), X, VALUE)

# Transformed targets.
add(co.TransformedTargetRegressor(lm.LinearRegression(), func=np.log1p, inverse_func=np.expm1), X, POSITIVE)
add(co.TransformedTargetRegressor(ridge, func=np.sqrt, inverse_func=np.square), X, POSITIVE)
for transformer in (pp.StandardScaler(), pp.MinMaxScaler(), pp.RobustScaler(), pp.PowerTransformer(), pp.PowerTransformer("box-cox", standardize=False),
                    pp.QuantileTransformer(n_quantiles=20, output_distribution="normal"), pp.QuantileTransformer(n_quantiles=20)):
    add(co.TransformedTargetRegressor(ridge, transformer=transformer), X, POSITIVE)
add(co.TransformedTargetRegressor(ridge, transformer=pp.StandardScaler()), X, VALUES)

# Outliers.
far = np.vstack([X[:6], X[:4] * 8])
add(en.IsolationForest(n_estimators=10, random_state=0), X, rows=far)
add(en.IsolationForest(n_estimators=8, max_features=0.5, contamination=0.1, max_samples=30, random_state=0), X, rows=far)
add(svm.OneClassSVM(nu=0.2, gamma=0.1), X, rows=far)
add(cv.EllipticEnvelope(random_state=0), X, rows=far)

# Boosting and bagging.
kind = {"algorithm": "SAMME"} if RELEASE < (1, 6) else {}
for y in (TWO, TEXTS):
    add(en.AdaBoostClassifier(n_estimators=6, random_state=0, **kind), X, y)
    if RELEASE < (1, 6):
        add(en.AdaBoostClassifier(n_estimators=6, random_state=0), X, y)
add(en.AdaBoostRegressor(n_estimators=6, random_state=0), X, VALUE)
add(en.BaggingClassifier(tree, n_estimators=4, random_state=0), X, TEXTS)
add(en.BaggingClassifier(logistic, n_estimators=3, max_features=0.5, random_state=0), X, TWO)
add(en.BaggingClassifier(svm.LinearSVC(), n_estimators=3, random_state=0), X, TEXTS)
add(en.BaggingRegressor(stump, n_estimators=4, max_features=3, random_state=0), X, VALUE)

# Several classes and several outputs.
add(mc.OneVsRestClassifier(logistic), X, TEXTS)
add(mc.OneVsRestClassifier(svm.LinearSVC()), X, THREE)
add(mc.OneVsRestClassifier(tree), X, TWO)
add(mc.OneVsRestClassifier(logistic), X, np.column_stack([TWO, THREE > 0, THREE == 1]).astype(int))
add(mc.OneVsOneClassifier(logistic), X, TEXTS)
add(mc.OneVsOneClassifier(tree), X, THREE)
add(mc.OneVsOneClassifier(svm.LinearSVC()), X, TWO)
add(mc.OutputCodeClassifier(logistic, random_state=0), X, TEXTS)
add(mo.MultiOutputRegressor(stump), X, VALUES)
add(mo.MultiOutputClassifier(tree), X, np.column_stack([TWO, THREE]))
add(mo.MultiOutputClassifier(logistic), X, np.column_stack([TEXTS, TEXTS[::-1]]))
add(mo.RegressorChain(ridge, order=[1, 0]), X, VALUES)

# Selection.
for model in (fs.SelectKBest(k=2), fs.SelectKBest(k="all"), fs.SelectPercentile(percentile=50), fs.SelectFpr(), fs.SelectFdr(), fs.SelectFwe(),
              fs.GenericUnivariateSelect(mode="k_best", param=3), fs.SelectFromModel(tree), fs.SelectFromModel(lm.LogisticRegression(penalty="l1", solver="saga", C=0.1, max_iter=50)),
              fs.SelectFromModel(en.RandomForestClassifier(5, random_state=0), threshold="1.25*median", max_features=2),
              fs.SelectFromModel(en.GradientBoostingClassifier(n_estimators=5, random_state=0), threshold="mean"), fs.SelectFromModel(lm.Lasso(0.5)), fs.RFE(logistic, n_features_to_select=2),
              fs.RFECV(tree, cv=2), fs.SequentialFeatureSelector(logistic, n_features_to_select=2, cv=2)):
    add(model, X, THREE)
add(fs.VarianceThreshold(1), X)
add(pi.make_pipeline(pp.StandardScaler(), fs.SelectKBest(k=2), logistic), X, TEXTS)

# Missing values.
add(im.SimpleImputer(add_indicator=True), HOLES)
add(im.SimpleImputer(strategy="median", missing_values=-1, add_indicator=True), np.where(np.isnan(HOLES), -1, HOLES))
add(im.KNNImputer(n_neighbors=3), HOLES)
add(im.KNNImputer(weights="distance", add_indicator=True), HOLES)
add(im.MissingIndicator(error_on_new=False), HOLES)
add(im.IterativeImputer(max_iter=3, random_state=0), HOLES)

# Distributions.
add(pp.PowerTransformer(), HOLES)
add(pp.PowerTransformer("box-cox", standardize=False), COUNTS)
add(pp.QuantileTransformer(n_quantiles=20), HOLES, rows=np.vstack([HOLES[:8], X[:2] * 50]))
add(pp.QuantileTransformer(n_quantiles=30, output_distribution="normal"), X, rows=np.vstack([X[:8], X[:2] * 50]))
for encode in ("onehot", "onehot-dense", "ordinal"):
    for strategy in ("uniform", "quantile", "kmeans"):
        add(pp.KBinsDiscretizer(4, encode=encode, strategy=strategy, **({"quantile_method": "averaged_inverted_cdf"} if RELEASE >= (1, 7) else {})), X)
for extrapolation in ("constant", "linear", "continue", "periodic"):
    add(pp.SplineTransformer(4, degree=3, extrapolation=extrapolation), X, rows=np.vstack([X[:6], X[:3] * 4]))
    add(pp.SplineTransformer(5, degree=2, extrapolation=extrapolation, include_bias=False, knots="quantile"), X, rows=np.vstack([X[:6], X[:3] * 4]))
for function in (np.log1p, np.sqrt, np.exp, np.abs, np.square, np.sign, np.rint, np.isnan, None):
    add(pp.FunctionTransformer(function), np.abs(X) / 3)

# Categories.
new = MIXED[:10].copy()
new.loc[2, "city"] = "Nowhere"
for drop in (None, "first", "if_binary"):
    add(pp.OneHotEncoder(drop=drop), MIXED[["city", "size"]])
add(pp.OneHotEncoder(handle_unknown="ignore"), MIXED[["city", "size"]], rows=new[["city", "size"]])
if RELEASE >= (1, 1):
    for unknown in ("ignore", "infrequent_if_exist") + (("warn",) if RELEASE >= (1, 6) else ()):
        add(pp.OneHotEncoder(handle_unknown=unknown, min_frequency=12), MIXED[["city", "size"]], rows=new[["city", "size"]])
    add(pp.OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3, drop="first"), MIXED[["city", "size"]], rows=new[["city", "size"]])
add(pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), MIXED[["city", "size"]], rows=new[["city", "size"]])
if RELEASE >= (1, 3):
    add(pp.OrdinalEncoder(min_frequency=12, handle_unknown="use_encoded_value", unknown_value=-5), MIXED[["city", "size"]], rows=new[["city", "size"]])
    for y in (VALUE, TWO, TEXTS):
        add(pp.TargetEncoder(cv=2, random_state=0), MIXED[["city", "size"]], y, rows=new[["city", "size"]])

# Data frames: columns that pass through.
encoder = pp.OneHotEncoder(handle_unknown="ignore")
for remainder in ("passthrough", "drop"):
    add(pi.make_pipeline(co.ColumnTransformer([("c", encoder, ["city", "size"]), ("n", "passthrough", ["age"])], remainder=remainder), logistic), MIXED, TEXTS)
add(pi.make_pipeline(co.make_column_transformer((pp.StandardScaler(), ["pay"]), (encoder, ["city", "size"]), remainder="passthrough"), tree), MIXED, TWO)
add(ms.GridSearchCV(pi.Pipeline([("p", co.ColumnTransformer([("c", encoder, ["city", "size"])], remainder="passthrough")), ("m", logistic)]), {"m__C": [1, 2]}, cv=2), MIXED, TEXTS)
add(co.ColumnTransformer([("s", pp.StandardScaler(), [0])], remainder="passthrough"), X)

# Histograms with categories.
for value in ([0, 2], [True, False, True, False]):
    add(en.HistGradientBoostingClassifier(max_iter=6, categorical_features=value, min_samples_leaf=3), CODES, THREE, rows=np.vstack([CODES[:12], [[9, 0, 7, 0], [np.nan, 1, np.nan, 1]]]))
add(en.HistGradientBoostingRegressor(max_iter=6, categorical_features=[0], min_samples_leaf=3), CODES, CODES[:, 0] % 3 + CODES[:, 1])

# Support vector machines with probabilities.
for y in (TWO, TEXTS):
    add(svm.SVC(probability=True, random_state=0), X, y)
add(svm.NuSVC(nu=0.3, probability=True, random_state=0), X, TEXTS)

for covariance in ("full", "tied", "diag", "spherical"):
    add(mx.GaussianMixture(2, covariance_type=covariance, random_state=0), X)

# Labels beyond 2^53.
add(tree, X, np.array([2**53 + 1, 2**60 + 7, -(2**62) - 1])[THREE], forms=("predict_proba",))
cases[-1]["labels"] = [str(label) for label in cases and tree.predict(X[:10] * 1.01)]

# Chains of classifiers, searches by halves, and what is frozen.
for model in (tree, logistic, nb.GaussianNB()):
    add(mo.ClassifierChain(model, order=[2, 0, 1]), X, np.column_stack([TWO, THREE > 0, THREE > 1]).astype(int))
for model in (ms.HalvingGridSearchCV(logistic, {"C": [0.1, 1, 10]}, cv=2, random_state=0), ms.HalvingRandomSearchCV(tree, {"max_depth": [1, 2, 3]}, cv=2, random_state=0)):
    add(model, X, TEXTS)
add(ms.HalvingGridSearchCV(pi.make_pipeline(pp.StandardScaler(), ridge), {"ridge__alpha": [0.1, 1, 10]}, cv=2, random_state=0), X, VALUE)
if RELEASE >= (1, 6):
    from sklearn.frozen import FrozenEstimator
    add(FrozenEstimator(pi.make_pipeline(pp.StandardScaler(), logistic).fit(X, TEXTS)), X, TEXTS)
    add(FrozenEstimator(pp.StandardScaler().fit(X)), X, TWO)
    add(ca.CalibratedClassifierCV(FrozenEstimator(tree.fit(X, THREE))), X, THREE)

# What most documents import, and is not above by itself.
sparse = np.where(np.arange(80) % 3 == 0, THREE, -1)
for kernel in ("rbf", "poly", "sigmoid", "linear"):
    add(ka.Nystroem(kernel, n_components=6, random_state=0, gamma=None if kernel == "rbf" else 0.1), X, TWO, rows=np.vstack([X[:8] * 1.01, X[:2] * 1e30]))
add(pi.make_pipeline(pp.StandardScaler(), ka.Nystroem(n_components=9, gamma=0.2, random_state=0), logistic), X, TEXTS)
add(ne.NeighborhoodComponentsAnalysis(n_components=2, random_state=0, max_iter=20), X, THREE)
add(se.LabelSpreading(gamma=0.5), X, sparse)
add(se.LabelPropagation(gamma=0.5, max_iter=50), X, sparse)
add(du.DummyClassifier(strategy="prior"), X, TEXTS)
add(lm.RidgeCV(), X, VALUE)
add(cl.MiniBatchKMeans(3, n_init=1, random_state=0), X)
add(tx.CountVectorizer(), DOCS, forms=("transform",))
add(tx.TfidfVectorizer(ngram_range=(1, 2)), DOCS, forms=("transform",))
if RELEASE >= (1, 5):
    for model in (logistic, tree, svm.LinearSVC()):
        for threshold, label in (("auto", None), (0.3, "ja"), (0.3, "nein")):
            add(ms.FixedThresholdClassifier(model, threshold=threshold, pos_label=label), X, np.array(["ja", "nein"])[TWO])
if RELEASE >= (1, 9):
    UNREAD = "it holds a sklearn.{}, which is not evaluated here; export the model to ONNX, or serve it with the runtime kserve-sklearnserver, which runs the file, if you trust it"
    refuse(mf.Isomap(n_components=2), X, None, UNREAD.format("manifold._isomap.Isomap"))
    refuse(gp.GaussianProcessClassifier(), X, TWO, UNREAD.format("gaussian_process._gpc.GaussianProcessClassifier"))
    refuse(gp.GaussianProcessRegressor(), X, VALUE, UNREAD.format("gaussian_process._gpr.GaussianProcessRegressor"))
    refuse(fe.DictVectorizer(), [{"city": "Oslo", "age": 3}, {"city": "Rome"}], None, UNREAD.format("feature_extraction._dict_vectorizer.DictVectorizer"))
    refuse(de.NMF(2, random_state=0), np.abs(X), None, UNREAD.format("decomposition._nmf.NMF"))

# Samples that are equally far, and numbers beside which all are.
GRID = np.round(X / [1, 3, 0.5, 10])
FAR = np.vstack([GRID[:12], GRID[:4] + 0.5, GRID[:2] * 1e20, GRID[:2] * 1e38, GRID[:2] * 1e300, [[5e-324, 0, 0, 0]]])
for metric in ("euclidean", "manhattan", "chebyshev"):
    for algorithm in ("kd_tree", "ball_tree") + (("brute",) if RELEASE >= (1, 1) else ()):
        add(ne.KNeighborsRegressor(4, metric=metric, algorithm=algorithm, leaf_size=7), GRID, VALUE, rows=FAR)
    add(ne.KNeighborsClassifier(3, metric=metric, weights="distance", leaf_size=7), GRID, TEXTS, rows=FAR[:16])
add(cl.KMeans(3, n_init=1, random_state=0), X, rows=FAR)
add(im.KNNImputer(n_neighbors=3), HOLES, rows=np.vstack([HOLES[:8], HOLES[:8] * [1, 1, 1e300, 1]]))

# Lines beyond the ends of splines that have none of their own.
for degree in (0, 1):
    add(pp.SplineTransformer(4, degree=degree, extrapolation="linear"), X, rows=np.vstack([X[:12], X[:3] * 4]))

# Every compression of joblib.
for compress in (0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)):
    add(ridge, X, VALUE, compress=compress)
try:
    import lz4.frame  # noqa: F401
    add(ridge, X, VALUE, compress=("lz4", 3))
except ImportError:
    pass

with open(sys.argv[1], "w") as out:
    for case in cases:
        out.write(json.dumps(case, ensure_ascii=False, separators=(",", ":")) + "\n")
print(sklearn.__version__, len(cases), "cases")
