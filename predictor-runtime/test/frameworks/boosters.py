"""Trains small models of the XGBoost and the LightGBM that are installed, and writes them with what their own package answers.

    boosters.py FOLDER

FOLDER gets the model files and RELEASE.json: [{file, columns?, rows, outputs: {name: {datatype, shape, data}}}]. With `columns`, rows come
by name. `output-0` is what KServe's servers give; the other outputs are the wrappers' for scikit-learn, with which MLServer answers.
"""
import json
import os
import pickle
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
TYPES = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "int32": "INT32"}
cases = []


def plain(value):
    value = value.item() if isinstance(value, np.generic) else value
    return None if value is pd.NaT or isinstance(value, float) and np.isnan(value) else value


def tensor(value):
    value = np.asarray(value)
    datatype = TYPES.get(str(value.dtype), "BYTES")
    return {"datatype": datatype, "shape": list(value.shape), "data": [plain(one) for one in value.ravel().tolist()]}


def case(file, rows, outputs, columns=None):
    rows = [[plain(cell) for cell in row] for row in rows]
    named = {"columns": columns} if columns else {}
    cases.append({"file": file, **named, "rows": rows, "outputs": {name: tensor(value) for name, value in outputs.items()}})


def write(framework, version):
    with open(os.path.join(folder, f"{framework}-{version}.json"), "w") as file:
        json.dump(cases, file)
        file.write("\n")
    cases.clear()


def dump(model, file, protocol=4):
    path = os.path.join(folder, file)
    if file.endswith(".joblib"):
        joblib.dump(model, path, compress=("zlib", 3))
    else:
        with open(path, "wb") as stream:
            pickle.dump(model, stream, protocol=protocol)


r = np.random.RandomState(7)
N = 300
X = r.randn(N, 4)
ROWS = np.vstack([X[:8], [[np.nan, 0, -1, 2]]])
SIGNAL = X[:, 0] - 2 * X[:, 1] * (X[:, 2] > 0) + 0.3 * r.randn(N)
LABELS = {2: (SIGNAL > 0).astype(int), 3: np.digitize(SIGNAL, [-1, 1])}


def xgboost_models():
    import xgboost as xgb
    version = xgb.__version__
    early = [int(part) for part in version.split(".")[:2]] < [1, 6]
    stop = {"verbose": False, **({"early_stopping_rounds": 2} if early else {})}
    label = {"use_label_encoder": False} if early else {}

    def fit(model, y, other):
        """Stops early: what is validated is of other rows."""
        if not early:
            model.set_params(early_stopping_rounds=2)
        return model.fit(X, y, eval_set=[(X[::-1][:60], other)], **stop)

    def save(model, file, D=xgb.DMatrix(ROWS)):
        path = os.path.join(folder, file)
        model.save_model(path)
        booster = xgb.Booster(model_file=path)
        # As MLServer loads files.
        wrapper = type(model)() if isinstance(model, xgb.XGBModel) else xgb.XGBRegressor()
        wrapper.load_model(path)
        outputs = {"output-0": booster.predict(D), "margin": booster.predict(D, output_margin=True), "predict": wrapper.predict(ROWS)}
        if isinstance(model, xgb.XGBClassifier):
            outputs["predict_proba"] = wrapper.predict_proba(ROWS)
        case(file, ROWS, outputs)

    def pickled(model, file, rows=ROWS, **kw):
        dump(model, file, **kw)
        outputs = {"predict": model.predict(rows)}
        if hasattr(model, "predict_proba"):
            outputs["predict_proba"] = model.predict_proba(rows)
        case(file, rows, outputs)

    small = dict(n_estimators=12, max_depth=2, learning_rate=0.8, n_jobs=1)
    name = f"xgboost-{version}"
    regressor = fit(xgb.XGBRegressor(**small), SIGNAL, SIGNAL[:60])
    binary = fit(xgb.XGBClassifier(**small, **label, eval_metric="logloss"), LABELS[2], LABELS[2][:60])
    several = fit(xgb.XGBClassifier(**small, **label, eval_metric="mlogloss"), LABELS[3], LABELS[3][:60])
    save(regressor, f"{name}-regressor.json")
    save(binary, f"{name}-binary.json")
    save(several, f"{name}-several.json")
    if early:
        pickled(binary, f"{name}-binary.pkl")
        named = xgb.XGBClassifier(**small, use_label_encoder=True, eval_metric="logloss").fit(X, np.array(["no", "yes"])[LABELS[2]])
        pickled(named, f"{name}-labels.pkl")
        return write("xgboost", version)
    pickled(binary, f"{name}-binary.pkl", protocol=2)
    pickled(several, f"{name}-several.joblib")
    missing = fit(xgb.XGBRegressor(**small, missing=-999.0), SIGNAL, SIGNAL[:60])
    pickled(missing, f"{name}-missing.pkl", rows=np.vstack([ROWS, [[-999, 1, -999, 0]]]), protocol=5)
    pickled(make_pipeline(StandardScaler(), xgb.XGBRegressor(**small).fit(X, SIGNAL)).fit(X, SIGNAL), f"{name}-pipeline.joblib")
    pickled(make_pipeline(StandardScaler(), xgb.XGBClassifier(**small)).fit(X, LABELS[3]), f"{name}-classes.joblib")

    small["n_estimators"] = 4
    save(xgb.XGBClassifier(**small, objective="multi:softmax").fit(X, LABELS[3]), f"{name}-softmax.ubj")
    many = np.column_stack([LABELS[2], (X[:, 1] > 0).astype(int), (X[:, 3] > 0).astype(int)])
    save(xgb.XGBClassifier(**small, tree_method="hist").fit(X, many), f"{name}-labels.ubj")
    dart = xgb.XGBClassifier(**{**small, "n_estimators": 8}, booster="dart", rate_drop=0.5, one_drop=1).fit(X, LABELS[2])
    dart.get_booster().set_attr(best_iteration="5")
    save(dart, f"{name}-dart.ubj")
    parallel = fit(xgb.XGBRegressor(**small, num_parallel_tree=3, subsample=0.5), SIGNAL, SIGNAL[:60])
    save(parallel, f"{name}-parallel.ubj")
    save(xgb.XGBRFClassifier(n_estimators=4, max_depth=2).fit(X, LABELS[2]), f"{name}-forest.ubj")
    save(xgb.XGBClassifier(**small, booster="gblinear").fit(X, LABELS[2]), f"{name}-linear.ubj")
    D = xgb.DMatrix(X[:200], SIGNAL[:200])
    booster = xgb.train({"max_depth": 2, "eta": 0.9}, D, 12, evals=[(xgb.DMatrix(X[200:], SIGNAL[:100]), "e")], early_stopping_rounds=2, verbose_eval=False)
    save(booster, f"{name}-train.ubj")
    if version.startswith("1."):
        # The old binary format.
        linear = xgb.XGBRegressor(**small, booster="gblinear").fit(X, SIGNAL)
        for model, kind in ((several, "several"), (dart, "dart"), (parallel, "parallel"), (linear, "linear"), (booster, "train")):
            save(model, f"{name}-{kind}.bst")
    ranker = xgb.XGBRanker(**small).fit(X, LABELS[3], group=[30] * 10)
    pickled(ranker, f"{name}-ranker.pkl")

    if "cats" in json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]:
        # Releases up to 3.2 cut names that are not ASCII.
        cities = ["Oslo", "Köln", "東京", ""] if int(version.split(".")[1]) > 2 else ["Oslo", "Cologne", "Tokyo", ""]
        frame = pd.DataFrame({
            "city": pd.Categorical(r.choice(cities, N)), "x": X[:, 0],
            "ten": pd.Categorical(r.choice([10, 20, 30, -40], N)), "one": pd.Categorical(["a"] * N),
        })
        y = (frame.city == "Oslo") * 2.0 - (frame.city == "") + (frame.ten == 20) - 2 * (frame.ten == -40) + X[:, 0]
        kw = dict(max_cat_to_onehot=2, tree_method="hist", enable_categorical=True)
        model = xgb.XGBRegressor(**small, **kw).fit(frame, y)
        rows = frame[:10].copy()
        rows.loc[1, "city"] = rows.loc[2, "ten"] = rows.loc[3, "x"] = np.nan
        codes = rows.copy()
        for column in ("city", "ten", "one"):
            codes[column] = rows[column].cat.codes.replace(-1, np.nan)
        for file in (f"{name}-categories.json", f"{name}-categories.ubj"):
            model.save_model(os.path.join(folder, file))
            case(file, rows.astype(object).values, {"output-0": model.predict(rows)}, columns=list(frame.columns))
            booster = xgb.Booster(model_file=os.path.join(folder, file))
            D = xgb.DMatrix(codes.values.astype(float), feature_types=["c", "q", "c", "c"], feature_names=list(frame.columns), enable_categorical=True)
            case(file, codes.values, {"output-0": booster.predict(D)})
        dump(model, f"{name}-categories.pkl")
        case(f"{name}-categories.pkl", rows.astype(object).values, {"predict": model.predict(rows)}, columns=list(frame.columns))
    write("xgboost", version)


def lightgbm_models():
    import lightgbm as lgb
    version = lgb.__version__
    name = f"lightgbm-{version}"
    frame = pd.DataFrame({
        "age years": X[:, 0], "ten": pd.Categorical(r.choice([10, 20, 30, 40], N)),
        "city": pd.Categorical(r.choice(["Oslo", "Köln", 'Rome "x"', "a:b,c"], N)),
        "size": pd.Categorical(r.choice(["S", "M", "L"], N), categories=["S", "M", "L"], ordered=True),
        "flag": pd.Categorical(r.choice([True, False], N)), "one": pd.Categorical(["a"] * N),
        "half": pd.Categorical(r.choice([0.5, 1.5, -2.5], N)),
    })
    y = X[:, 0] + (frame.ten == 20) * 2.0 + (frame.city == "Oslo") * 1.0 - (frame.city == "a:b,c") + (frame["size"] == "L") + (frame.flag == True) * 0.5 - (frame.half == 1.5)  # noqa: E712
    small = dict(n_estimators=4, num_leaves=5, min_child_samples=5, min_data_per_group=1, cat_smooth=1, verbose=-1, n_jobs=1)
    lists = {column: list(frame[column].cat.categories) for column in frame if column != "age years"}

    def by_name(rows):
        """Rows of any values as a frame of the types that the model was trained with."""
        table = pd.DataFrame(rows, columns=list(frame.columns))
        for column in frame:
            if column in lists:
                values = [value if not isinstance(value, float) or not np.isnan(value) else None for value in table[column]]
                table[column] = pd.Categorical(values)
            else:
                table[column] = table[column].astype(float)
        return table

    rows = frame[:12].astype(object).values
    rows[0, 1] = 50
    rows[1, 2] = "Atlantis"
    rows[2, 3] = "XL"
    rows[3, 1] = rows[4, 2] = rows[5, 3] = rows[6, 0] = np.nan
    rows[7, 6] = 0.25
    matrix = np.array([[0.5, 1, 0, 2, 1, 0, 1], [0.1, 10, 3, 1, 0, 0, 0], [np.nan, np.nan, 1, 0, 1, np.nan, 2]])

    def both_ways(file, predict):
        case(file, rows, {"predict": predict(by_name(rows))}, columns=list(frame.columns))
        case(file, matrix, {"predict": predict(matrix)})

    for suffix, kw in (("frame", {}), ("named", {"categorical_feature": ["ten", "city"]})):
        model = lgb.LGBMRegressor(**{**small, "n_estimators": 10, "num_leaves": 8, "learning_rate": 0.4}).fit(frame, y, **kw)
        model.booster_.save_model(os.path.join(folder, f"{name}-{suffix}.txt"))
        both_ways(f"{name}-{suffix}.txt", model.booster_.predict)
    dump(model, f"{name}-frame.pkl")
    both_ways(f"{name}-frame.pkl", model.predict)
    dump(Pipeline([("scale", StandardScaler().fit(matrix)), ("booster", model)]), f"{name}-within.pkl")
    single = frame[["ten"]]
    model = lgb.LGBMRegressor(**small).fit(single, y)
    model.booster_.save_model(os.path.join(folder, f"{name}-single.txt"))
    case(f"{name}-single.txt", [[10], [20], [30], [40]], {"predict": model.predict(pd.DataFrame({"ten": pd.Categorical([10, 20, 30, 40])}))}, columns=["ten"])
    case(f"{name}-single.txt", [[0], [1], [2], [10]], {"predict": model.predict(np.array([[0], [1], [2], [10]]))})

    def pickled(model, file, **kw):
        dump(model, file, **kw)
        outputs = {"predict": model.predict(ROWS)}
        if hasattr(model, "predict_proba"):
            outputs["predict_proba"] = model.predict_proba(ROWS)
        case(file, ROWS, outputs)

    stop = [lgb.early_stopping(2, verbose=False)]
    text = np.array(["hi", "lo"])[LABELS[2]]
    keep = dict(small, n_estimators=20, learning_rate=0.5)
    binary = lgb.LGBMClassifier(**keep).fit(X, text, eval_set=[(X[::-1][:60], text[:60])], callbacks=stop)
    pickled(binary, f"{name}-binary.pkl", protocol=2)
    several = lgb.LGBMClassifier(**small).fit(X, LABELS[3] * 10 - 5)
    pickled(several, f"{name}-several.joblib")
    pickled(make_pipeline(StandardScaler(), lgb.LGBMClassifier(**small)).fit(X, LABELS[3]), f"{name}-pipeline.joblib")
    pickled(make_pipeline(StandardScaler(), lgb.LGBMRegressor(**small)).fit(X, SIGNAL), f"{name}-values.pkl", protocol=5)
    # The Booster keeps all its trees, and knows the best round.
    booster = lgb.train({"verbose": -1, "num_leaves": 4, "objective": "multiclass", "num_class": 3, "num_threads": 1}, lgb.Dataset(X, LABELS[3]), 6, keep_training_booster=True)
    booster.best_iteration = 3
    pickled(booster, f"{name}-booster.pkl")
    write("lightgbm", version)


for models in (xgboost_models, lightgbm_models):
    try:
        models()
    except ImportError as error:
        print(f"left out: {error}")
