"""Writes cosmology.csv: distances of astropy's LambdaCDM without radiation (Tcmb0 = 0), for the tests to compare with.

    pip install astropy scipy && python tests/data/cosmology.py > tests/data/cosmology.csv
"""

import astropy
from astropy.cosmology import LambdaCDM

COSMOLOGIES = [  # omega_m, omega_lambda, h0
    (0.3111, 0.6889, 67.66),  # the default
    (0.3, 0.7, 70.0),
    (1.0, 0.0, 50.0),  # Einstein-de Sitter
    (0.0, 1.0, 70.0),  # de Sitter
    (0.3, 0.0, 70.0),  # open
    (0.0, 0.0, 70.0),  # Milne
    (0.25, 0.6, 72.0),
    (0.3111, 0.6879, 67.66),  # hardly open
    (0.3111, 0.6899, 67.66),  # hardly closed
    (0.35, 0.75, 68.0),
    (0.4, 1.0, 65.0),
    (1.5, 0.5, 70.0),
    (0.3, 1.6, 70.0),  # expansion nearly stopped at z = 1.7
    (0.2, 0.1, 70.0),
]
PAIRS = [  # z1, z2
    (0.0, 1e-4),
    (0.05, 0.1),
    (0.2, 1.0),
    (0.5, 2.0),
    (0.999, 1.0),
    (1.0, 5.0),
    (2.0, 3.0),
    (0.3, 10.0),
    (8.0, 10.0),
]

print(f"# astropy {astropy.__version__}, LambdaCDM(H0, Om0, Ode0, Tcmb0=0); made by cosmology.py. Distances in Mpc:")
print("# line of sight and transverse comoving to z2, angular diameter to z2, angular diameter from z1 to z2")
print("omega_m,omega_lambda,h0,z1,z2,comoving,transverse,angular,angular_between")
for omega_m, omega_lambda, h0 in COSMOLOGIES:
    c = LambdaCDM(H0=h0, Om0=omega_m, Ode0=omega_lambda, Tcmb0=0)
    for z1, z2 in PAIRS:
        distances = [
            c.comoving_distance(z2),
            c.comoving_transverse_distance(z2),
            c.angular_diameter_distance(z2),
            c.angular_diameter_distance_z1z2(z1, z2),
        ]
        if min(distances).value <= 0:
            continue  # beyond the antipode of a closed universe
        numbers = [omega_m, omega_lambda, h0, z1, z2, *(float(f"{d.value:.13g}") for d in distances)]
        print(",".join(repr(n) for n in numbers))
