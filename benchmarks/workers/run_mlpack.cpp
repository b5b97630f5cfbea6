// mlpack's EMFit. Its Python binding would begin with a k-means of its own whatever
// model it is given; this calls what the binding calls, from the common start.

// Its hyper-parameter tuning, left out, is all that would need one more library.
#define MLPACK_CORE_HPT_HPT_HPP
#include <mlpack/core.hpp>
#include <mlpack/methods/gmm/gmm.hpp>

#include "protocol.hpp"

int main(int count, char **arguments) {
  using Normal = mlpack::GaussianDistribution<>;
  const auto fit = [](const arma::mat &rows, const Parameters &start, arma::uword n) {
    const arma::uword K = start.means.n_cols;
    std::vector<Normal> components;
    for (arma::uword k = 0; k < K; ++k)
      components.emplace_back(start.means.col(k), start.covariances.slice(k));
    arma::vec weights = start.weights.t();
    // It counts iterations from 1.
    mlpack::EMFit<mlpack::KMeans<>, mlpack::NoConstraint> em(n + 1, 0.0);
    em.Estimate(rows, components, weights, true);
    Parameters fitted{weights.t(), start.means, start.covariances};
    for (arma::uword k = 0; k < K; ++k) {
      fitted.means.col(k) = components[k].Mean();
      fitted.covariances.slice(k) = components[k].Covariance();
    }
    return fitted;
  };
  return serve(mlpack::util::GetVersion(), count, arguments, fit);
}
