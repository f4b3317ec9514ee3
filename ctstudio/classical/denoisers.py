"""Classical denoisers behind one call: one slice of HU in, one slice of HU out.

Every setting is in HU, and nothing is normalised by the image at hand: the same setting means the
same thing on every slice, and the mean HU stays. ``strength`` is each
method's main setting; more of it always smooths more. The defaults suit a quarter-dose chest
scan, whose noise SD is 25 to 30 HU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ctstudio.classical.filters import bilateral_filter
from ctstudio.core.registry import Param, Registry
from ctstudio.ct.padding import measured

Slice: TypeAlias = NDArray[np.float32]

DENOISERS: Registry[Callable[..., Slice]] = Registry("denoiser")

WAVELET, WAVELET_LEVELS = "sym4", 3


def fill_padding(image: Slice) -> tuple[Slice, NDArray[np.bool_] | None]:
    """Replace padding and values that are not finite by the nearest CT value.

    Parameters
    ----------
    image
        ``(y, x)`` float32 HU.

    Returns
    -------
    filled, padding
        A float32 image without padding, and the mask ``(y, x)`` of what was replaced; None where
        nothing was (then ``filled`` is the image itself) or where there is nothing but padding.
    """
    padding = ~measured(image)
    if not padding.any() or padding.all():
        return image, None
    from scipy import ndimage

    y, x = ndimage.distance_transform_edt(padding, return_distances=False, return_indices=True)
    return image[y, x], padding


def _on_tissue(image: NDArray[np.floating], method: Callable[[Slice], Slice]) -> Slice:
    """Apply ``method`` with the padding filled, and put the padding back untouched."""
    given = np.ascontiguousarray(image, np.float32)
    if given.ndim != 2:
        raise ValueError(f"a denoiser takes one slice (y, x), not an array of shape {given.shape}")
    filled, padding = fill_padding(given)
    if padding is None and not measured(filled).any():
        return given.copy()
    result = np.asarray(method(filled), np.float32).reshape(given.shape)
    return result if padding is None else np.where(padding, given, result)


@DENOISERS.add("tv", title="Total variation")
def tv(
    image: NDArray[np.floating],
    *,
    strength: Annotated[
        float, Param("Weight of the total variation", 1, 300, unit="HU", log=True)
    ] = 25.0,
    iterations: Annotated[int, Param("Steps towards the minimum", 10, 1000)] = 100,
) -> Slice:
    """Total variation: flat regions with sharp edges; takes correlated CT noise well.

    ``image`` and the result are ``(y, x)`` float32 HU. The mean HU is kept exactly. A fixed number
    of steps keeps strength monotone, where a stop criterion relative to the image would not.

    Source: Rudin, Osher, Fatemi, Physica D 60, 1992; Chambolle, J. Math. Imaging Vis. 20, 2004
    (`skimage.restoration.denoise_tv_chambolle`).
    """
    from skimage.restoration import denoise_tv_chambolle

    return _on_tissue(
        image,
        lambda hu: denoise_tv_chambolle(hu, weight=strength, eps=0.0, max_num_iter=iterations),
    )


@DENOISERS.add("nlm", title="Non-local means")
def nlm(
    image: NDArray[np.floating],
    *,
    strength: Annotated[
        float,
        Param("Difference of patches that still counts as alike", 1, 300, unit="HU", log=True),
    ] = 30.0,
    patch_px: Annotated[int, Param("Side of a patch (odd)", 3, 15, unit="px")] = 5,
    search_px: Annotated[int, Param("How far alike patches are sought", 1, 21, unit="px")] = 5,
) -> Slice:
    """Non-local means: averages pixels whose neighbourhoods look alike; keeps fine texture.

    ``image`` and the result are ``(y, x)`` float32 HU. An even ``patch_px`` counts as the next
    odd number.

    Source: Buades, Coll, Morel, CVPR 2005 (`skimage.restoration.denoise_nl_means`, fast mode).
    """
    from skimage.restoration import denoise_nl_means

    return _on_tissue(
        image,
        lambda hu: denoise_nl_means(
            hu,
            patch_size=patch_px | 1,
            patch_distance=search_px,
            h=strength,
            fast_mode=True,
            preserve_range=True,
        ),
    )


@DENOISERS.add("wavelet", title="Wavelet shrinkage")
def wavelet(
    image: NDArray[np.floating],
    *,
    strength: Annotated[
        float, Param("Noise SD in each wavelet coefficient", 0.5, 100, unit="HU", log=True)
    ] = 9.0,
    method: Annotated[
        Literal["VisuShrink", "BayesShrink"], Param("One threshold, or one for each subband")
    ] = "VisuShrink",
    shifts: Annotated[int, Param("Shifted copies that are averaged", 1, 8)] = 8,
) -> Slice:
    """Wavelet shrinkage: sets small details to zero; averaged over shifts to hide its blocks.

    ``image`` and the result are ``(y, x)`` float32 HU. VisuShrink's threshold is several times
    ``strength``, and CT noise is weak in the finest details: start near a third of the noise SD.
    BayesShrink spares strong subbands: start near the noise SD.

    Source: Donoho, Johnstone, Biometrika 81, 1994; Chang, Yu, Vetterli, IEEE Trans. Image
    Process. 9, 2000; Coifman, Donoho, 1995 (shifts). (`skimage.restoration.denoise_wavelet`.)
    """
    import pywt
    from skimage.restoration import denoise_wavelet

    def shrink(hu: Slice) -> Slice:
        # Coprime steps spread the shifts over both axes' phases of the first three levels.
        moves = [(3 * k % 8 + 8, 5 * k % 8 + 8) for k in range(shifts)]
        padded = np.pad(hu, 16, mode="symmetric")
        rows, columns = hu.shape[0] + 16, hu.shape[1] + 16
        # Stated, since scikit-image's default leaves small images nearly as they were.
        levels = min(WAVELET_LEVELS, pywt.dwt_max_level(min(rows, columns), WAVELET))
        total = np.zeros(hu.shape, np.float64)
        for dy, dx in moves:
            part = np.ascontiguousarray(padded[dy : dy + rows, dx : dx + columns])
            total += denoise_wavelet(
                part,
                sigma=strength,
                wavelet=WAVELET,
                method=method,
                wavelet_levels=levels,
                rescale_sigma=False,
            )[16 - dy :, 16 - dx :][: hu.shape[0], : hu.shape[1]]
        return (total / shifts).astype(np.float32)

    return _on_tissue(image, shrink)


@DENOISERS.add("bilateral", title="Bilateral filter")
def bilateral(
    image: NDArray[np.floating],
    *,
    strength: Annotated[
        float, Param("Difference that still counts as alike (SD)", 1, 300, unit="HU", log=True)
    ] = 50.0,
    radius_px: Annotated[float, Param("SD of the spatial weight", 0.5, 4, unit="px")] = 2.0,
) -> Slice:
    """Bilateral filter: averages neighbours of like HU; the quickest and the simplest.

    ``image`` and the result are ``(y, x)`` float32 HU. The window reaches 2.5 ``radius_px``.

    Source: Tomasi, Manduchi, ICCV 1998; computed as in `filters.bilateral_filter`.
    """
    reach_px = bilateral_reach(radius_px)
    return _on_tissue(image, lambda hu: bilateral_filter(hu, strength, radius_px, reach_px))


def bilateral_reach(radius_px: float) -> int:
    """How many px the bilateral filter looks to each side."""
    return int(np.ceil(2.5 * radius_px))


def reach(name: str, params: dict[str, float]) -> int | None:
    """How many rows away a pixel may still matter, or None where all of the slice does.

    ``params`` are resolved settings. A finite reach lets a slice be worked on in blocks of rows.
    """
    if name == "nlm":
        return int(params["search_px"]) + (int(params["patch_px"]) | 1) // 2
    if name == "bilateral":
        return bilateral_reach(params["radius_px"])
    return None
