#!/usr/bin/env bash
# scikit-learn's PCA, as it comes, is wrong on float32 features that lie far from 0: around 3,000, with spreads of 1
# to 2, two components of sixteen "explain" 70 % of the variance where the truth is 22 %. No warning.
#
# Versions: scikit-learn 1.9.1, NumPy 2.4.6.
# Source: found by adding a constant to the features, which must change nothing. With ten or more times as many rows
# as features and at most 1,000 features, `svd_solver="auto"` takes "covariance_eigh". Its documentation says that the
# matrix is of centred data; `_fit_full` in `sklearn/decomposition/_pca.py` multiplies the data as they are, in
# float32, and takes the means off afterwards (to spare memory, a comment says), so that the digits cancel. "full" and
# float64 are right.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import sklearn
from sklearn.decomposition import PCA

print("scikit-learn", sklearn.__version__, "NumPy", np.__version__)
centred = np.random.default_rng(0).standard_normal((1000, 16)) * np.linspace(1, 2, 16)
shares = {}
for offset in (0, 255, 1000, 3000):
    features = (centred + offset).astype(np.float32)
    shares[offset] = [
        float(pca.fit(values).explained_variance_ratio_.sum())
        for pca, values in (
            (PCA(2), features),
            (PCA(2, svd_solver="full"), features),
            (PCA(2), features.astype(np.float64)),
        )
    ]
    auto, full, double = (f"{share:.1%}" for share in shares[offset])
    print(f"offset {offset:5}: explained by 2 of 16: as it comes {auto}, full {full}, float64 {double}")

right = all(abs(share - shares[0][2]) < 0.001 for _, full, double in shares.values() for share in (full, double))
if not (right and abs(shares[0][0] - shares[0][2]) < 0.001 and shares[3000][0] > 0.5):
    sys.exit("The behaviour has changed: PCA may centre float32 features first.")
PYTHON
