"""Files of `lensgpu prior`, loaded by the programs that they are for. Each test needs that program."""

import json

import numpy as np
import pytest

CATALOGUE = """id,ra,dec,theta_e,sigma,q02_5,q16,q50,q84,q97_5,flags
J1,10.5,-3.25,1.5,0.1,1.304004,1.400554,1.5,1.599446,1.695996,0
J 2/b,11.0,2.0,0.9,0.25,0.5,0.65,0.85,1.15,1.5,0
J3,12,1,2.0,0.2,1.608007,1.801108,2.0,2.198892,2.391993,8
"""
Q, GAMMA = 0.6, 2.2


@pytest.fixture
def prior(program, tmp_path):
    """Runs the command; returns the path of its output."""
    (tmp_path / "out.csv").write_text(CATALOGUE)

    def run(arguments, output):
        program("prior", tmp_path / "out.csv", *arguments.split(), "-o", tmp_path / output)
        return tmp_path / output

    return run


@pytest.mark.parametrize("mass", ["power-law", "isothermal"])
@pytest.mark.parametrize("shape", ["normal", "log-normal"])
def test_lenstronomy_searches_and_evaluates_the_prior(prior, mass, shape):
    pytest.importorskip("lenstronomy")
    from lenstronomy.Sampling.Likelihoods.prior_likelihood import PriorLikelihood
    from lenstronomy.Sampling.parameters import Param

    path = prior(f"--format lenstronomy --mass {mass} --shape {shape}", "priors.json")
    objects = json.loads(path.read_text())["objects"]
    assert list(objects) == ["J 2/b", "J1"]
    for arguments in objects.values():
        init, sigma, fixed, lower, upper = arguments["kwargs_params"]["lens_model"]
        param = Param(
            arguments["kwargs_model"], kwargs_fixed_lens=fixed, kwargs_lower_lens=lower, kwargs_upper_lens=upper
        )
        start, steps = param.kwargs2args(init), param.kwargs2args(sigma)
        low, high = param.param_limits()
        assert np.all(np.array(low) < start) and np.all(start < np.array(high)) and np.all(np.array(steps) > 0)

        likelihood = PriorLikelihood(**arguments["kwargs_likelihood"])
        theta = np.linspace(lower[0]["theta_E"], upper[0]["theta_E"], 4000)
        log_prior = [likelihood.logL(kwargs_lens=[dict(init[0], theta_E=t)]) for t in theta]
        density = np.exp(log_prior - np.max(log_prior))
        median = np.interp(0.5, np.cumsum(density) / np.sum(density), theta)
        # Its log-normal prior has exp(-theta_E) instead of 1 / theta_E.
        assert median == pytest.approx(init[0]["theta_E"], rel=0.01 if shape == "normal" else 0.1)


def test_pyautolens_loads_the_model_and_draws_from_the_prior(prior):
    af = pytest.importorskip("autofit")
    ag = pytest.importorskip("autogalaxy")
    from scipy.stats import norm

    for shape, name in [("normal", "TruncatedGaussianPrior"), ("log-normal", "LogGaussianPrior")]:
        folder = prior(f"--format pyautolens --shape {shape} --axis-ratio {Q} --slope {GAMMA}", shape)
        model = af.Model.from_json(str(folder / "J1.json"))
        assert model.cls is ag.mp.PowerLaw
        assert type(model.einstein_radius).__name__ == name
        assert model.prior_count == 6
        # The convention: a PyAutoLens mass of that radius has the convergence of an EPL with theta_E = 1.5.
        factor = (0.5 * (1 + Q)) ** (1 / (GAMMA - 1)) / np.sqrt(Q)
        assert model.einstein_radius.value_for(0.5) == pytest.approx(1.5 * factor, rel=1e-6)
        above = model.einstein_radius.value_for(norm.cdf(1)) / factor
        # Of the log-normal one, the lower end of the 95 % interval decides.
        assert above == pytest.approx(1.6 if shape == "normal" else 1.5 * (1.5 / 1.304004) ** (1 / 1.959964), rel=1e-4)
        mass = model.instance_from_prior_medians()
        assert isinstance(mass, ag.mp.PowerLaw)
    model = af.Model.from_json(str(prior("--format pyautolens --mass isothermal", "sie") / "J%202%2Fb.json"))
    assert model.cls is ag.mp.Isothermal and model.prior_count == 5


def test_pyautolens_and_lenstronomy_agree_on_the_converted_radius(prior):
    ag = pytest.importorskip("autogalaxy")
    pytest.importorskip("lenstronomy")
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.Util.param_util import phi_q2_ellipticity

    shape = f"--axis-ratio {Q} --slope {GAMMA}"
    written = json.loads((prior(f"--format pyautolens {shape}", "folder") / "J1.json").read_text())
    radius = written["arguments"]["einstein_radius"]["mean"]
    objects = json.loads(prior(f"--format lenstronomy {shape}", "priors.json").read_text())["objects"]
    [[_, name, theta_e, _]] = objects["J1"]["kwargs_likelihood"]["prior_lens"]
    assert (name, theta_e) == ("theta_E", 1.5)
    e1, e2 = phi_q2_ellipticity(0.0, Q)
    kwargs = [{"theta_E": theta_e, "gamma": GAMMA, "e1": e1, "e2": e2, "center_x": 0, "center_y": 0}]
    mass = ag.mp.PowerLaw(ell_comps=(0.0, (1 - Q) / (1 + Q)), einstein_radius=radius, slope=GAMMA)
    grid = ag.Grid2DIrregular(values=[(0.4, 0.9), (1.7, -0.3), (-1.1, 1.4)])  # y, x
    found = np.array(mass.deflections_yx_2d_from(grid=grid))
    x, y = np.array([0.9, -0.3, 1.4]), np.array([0.4, 1.7, -1.1])
    expected = LensModel(["EPL"]).alpha(x, y, kwargs)
    np.testing.assert_allclose(found[:, 1], expected[0], rtol=1e-6)
    np.testing.assert_allclose(found[:, 0], expected[1], rtol=1e-6)


@pytest.mark.parametrize("mass, profile", [("power-law", "PEMD"), ("isothermal", "SIE")])
@pytest.mark.parametrize("shape, name", [("normal", "GaussianPrior"), ("log-normal", "LogNormalPrior")])
def test_coolest_loads_and_validates_the_template(prior, mass, profile, shape, name):
    pytest.importorskip("coolest")
    from coolest.template.json import JSONSerializer

    folder = prior(f"--format coolest --mass {mass} --shape {shape} --pixel-scale 0.1", "folder")
    assert sorted(path.name for path in folder.iterdir()) == ["J%202%2Fb.json", "J1.json"]
    template = JSONSerializer(str(folder / "J1"), check_external_files=False).load(validate=True, verbose=False)
    assert template.coordinates_origin.ra == "00h42m00s"
    [galaxy] = template.lensing_entities
    [found] = galaxy.mass_model
    assert found.type == profile
    theta_e = found.parameters["theta_E"]
    assert theta_e.point_estimate.value == pytest.approx(1.5, rel=1e-6)
    assert theta_e.prior.type == name
    mean, width = (1.5, 0.1) if shape == "normal" else (np.log(1.5), np.log(1.5 / 1.304004) / 1.959964)
    assert theta_e.prior.mean == pytest.approx(mean, rel=1e-4)
    assert theta_e.prior.width == pytest.approx(width, rel=1e-3)
    assert theta_e.id == f"0-galaxy-mass-0-{profile}-theta_E"
    # Written again by the package, it is the same file but for its own version.
    written = json.loads(template.to_JSON(exclude_keys=template.exclude_keys))
    original = json.loads((folder / "J1.json").read_text())
    assert written["lensing_entities"] == original["lensing_entities"]
