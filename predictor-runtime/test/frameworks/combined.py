"""The estimators of scikit-learn that stand around others, select, fill and reshape: (estimator, kind of target) for random_models.py."""
import importlib

import numpy as np
import sklearn
import sklearn.calibration as ca
import sklearn.compose as co
import sklearn.discriminant_analysis as da
import sklearn.dummy as du
import sklearn.ensemble as en
import sklearn.feature_selection as fs
import sklearn.impute as im
import sklearn.linear_model as lm
import sklearn.model_selection as ms
import sklearn.multiclass as mc
import sklearn.multioutput as mo
import sklearn.naive_bayes as nb
import sklearn.neighbors as ne
import sklearn.preprocessing as pp
import sklearn.svm as svm
import sklearn.tree as tr
from sklearn.cluster import KMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer
from sklearn.kernel_approximation import Nystroem
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.semi_supervised import LabelSpreading

RELEASE = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
BASE = "estimator" if RELEASE >= (1, 2) else "base_estimator"


def classifiers():
    return [lm.LogisticRegression(max_iter=500), tr.DecisionTreeClassifier(max_depth=3), nb.GaussianNB(), en.RandomForestClassifier(3),
            en.HistGradientBoostingClassifier(max_iter=3), ne.KNeighborsClassifier(3), da.LinearDiscriminantAnalysis(), svm.LinearSVC(),
            lm.SGDClassifier()]


def regressors():
    return [lm.Ridge(), tr.DecisionTreeRegressor(max_depth=2), en.RandomForestRegressor(3), en.HistGradientBoostingRegressor(max_iter=3),
            svm.SVR(), ne.KNeighborsRegressor(3)]


def ensembles(r):
    sure, some = lambda: classifiers()[r.randint(7)], lambda: classifiers()[r.randint(9)]
    value = lambda: regressors()[r.randint(6)]
    boosted = [tr.DecisionTreeClassifier(max_depth=3), nb.GaussianNB(), en.RandomForestClassifier(2)][r.randint(3)]
    return [
        (ca.CalibratedClassifierCV(some(), method="sigmoid", cv=2), "class"), (ca.CalibratedClassifierCV(some(), method="isotonic", cv=2), "class"),
        (ca.CalibratedClassifierCV(some(), cv=2, ensemble=False), "binary"),
        (en.VotingClassifier([("a", some()), ("b", some())]), "class"), (en.VotingClassifier([("a", sure()), ("b", sure())], voting="soft"), "binary"),
        (en.VotingRegressor([("a", value()), ("b", value())]), "value"), (en.StackingClassifier([("a", some()), ("b", some())], cv=2), "class"),
        (en.StackingClassifier([("a", some()), ("b", some())], final_estimator=some(), cv=2, passthrough=True), "binary"),
        (en.StackingRegressor([("a", value()), ("b", value())], cv=2, passthrough=bool(r.randint(2))), "value"),
        (en.BaggingClassifier(some(), 3), "class"), (en.BaggingClassifier(sure(), 3, max_features=0.5), "binary"), (en.BaggingRegressor(value(), 3, max_features=0.5), "value"),
        (en.AdaBoostClassifier(**{BASE: boosted}, n_estimators=4), "class"), (en.AdaBoostRegressor(**{BASE: value()}, n_estimators=4), "value"),
        (mc.OneVsRestClassifier(some()), "class"), (mc.OneVsOneClassifier(some()), "class"), (mc.OneVsOneClassifier(sure()), "class"), (mc.OutputCodeClassifier(some()), "class"),
        (mo.MultiOutputRegressor(value()), "values"), (mo.RegressorChain(value()), "values"),
        (mo.MultiOutputClassifier(some()), "classes"), (mo.ClassifierChain(some()), "classes"),
        (en.IsolationForest(n_estimators=5, max_features=float(r.choice([0.5, 1.0]))), "none"), (svm.OneClassSVM(nu=0.2), "none"), (EllipticEnvelope(), "none"),
        (da.QuadraticDiscriminantAnalysis(), "class"), (da.QuadraticDiscriminantAnalysis(), "binary"), (GaussianMixture(2), "none"),
        (du.DummyClassifier(), "class"), (du.DummyRegressor(), "value"),
    ]


def around(r):
    sure, some = lambda: classifiers()[r.randint(7)], lambda: classifiers()[r.randint(9)]
    value = lambda: regressors()[r.randint(6)]
    forest = en.RandomForestClassifier(3)
    frozen = [(importlib.import_module("sklearn.frozen").FrozenEstimator(tr.DecisionTreeClassifier(max_depth=3)), "frozen")] if RELEASE >= (1, 6) else []
    encoding = [(pp.TargetEncoder(), "binary"), (make_pipeline(pp.TargetEncoder(), lm.Ridge()), "value")] if RELEASE >= (1, 3) else []
    threshold = [(ms.FixedThresholdClassifier(sure(), threshold=0.3), "binary")] if RELEASE >= (1, 5) else []
    return frozen + encoding + threshold + [
        (LabelSpreading(gamma=0.5), "class"), (ne.NeighborhoodComponentsAnalysis(n_components=2, max_iter=10), "class"),
        (Nystroem(n_components=9), "class"), (Nystroem("poly", n_components=9, degree=2), "class"),
        (co.TransformedTargetRegressor(value(), transformer=pp.StandardScaler()), "value"),
        (co.TransformedTargetRegressor(value(), func=np.log1p, inverse_func=np.expm1), "positive"),
        (ms.GridSearchCV(some(), {}, cv=2), "class"), (ms.GridSearchCV(make_pipeline(pp.StandardScaler(), lm.Ridge()), {"ridge__alpha": [1, 2]}, cv=2), "value"),
        (ms.RandomizedSearchCV(sure(), {}, n_iter=1, cv=2), "binary"), (ms.HalvingGridSearchCV(lm.Ridge(), {"alpha": [1, 2]}, cv=2), "value"),
        (svm.SVC(probability=True), "class"), (svm.SVC(probability=True), "binary"), (svm.NuSVC(nu=0.1, probability=True), "class"),
        (fs.RFE(forest, n_features_to_select=2), "class"), (fs.RFECV(lm.LogisticRegression(), cv=2), "class"),
    ]


def transformers(r):
    return [
        fs.SelectKBest(k=2), fs.SelectPercentile(percentile=50), fs.VarianceThreshold(), fs.SelectFromModel(lm.LogisticRegression()),
        fs.SelectFromModel(en.RandomForestClassifier(3)), fs.RFE(tr.DecisionTreeClassifier(max_depth=3), n_features_to_select=2),
        fs.SequentialFeatureSelector(nb.GaussianNB(), n_features_to_select=2, cv=2),
        im.KNNImputer(n_neighbors=3), im.KNNImputer(weights="distance", add_indicator=RELEASE >= (1, 3)), im.SimpleImputer(add_indicator=True), im.SimpleImputer(strategy="median"),
        im.IterativeImputer(max_iter=3), im.IterativeImputer(max_iter=2, add_indicator=True), im.MissingIndicator(features="all"),
        FeatureUnion([("values", im.SimpleImputer()), ("missing", im.MissingIndicator(error_on_new=False))]),
        pp.PowerTransformer(), pp.QuantileTransformer(n_quantiles=20), pp.QuantileTransformer(n_quantiles=20, output_distribution="normal"),
        *[pp.KBinsDiscretizer(4, encode=encode, strategy=strategy) for encode in ("onehot", "ordinal") for strategy in ("uniform", "quantile", "kmeans")],
        *[pp.SplineTransformer(4, degree=int(r.randint(1, 4)), extrapolation=form) for form in ("constant", "linear", "continue", "periodic", "error")],
        *[pp.FunctionTransformer(function) for function in (np.log1p, np.sqrt, np.exp, np.square, np.sign, None)], pp.FunctionTransformer(np.abs, validate=True),
        KMeans(3, n_init=1),
    ]


def combined(r):
    """Estimators with the kinds of their targets; each transformer by itself and before a classifier."""
    changes = transformers(r)
    before = [(make_pipeline(one, lm.LogisticRegression(max_iter=500)), "class") for one in changes]
    return ensembles(r) + around(r) + [(one, "class") for one in changes] + before
